import type { GroupMember } from './group-member.ts';
import type { PartitionBuffer } from './partition-buffer.ts';

/** A member's place in its group. */
export interface Membership {
  readonly member: Pick<GroupMember, 'commit' | 'generation'>;
  /** Takes part in the group's present generation. */
  readonly joined: boolean;
}

/** Commits what is done, a request at a time, each for the generation in which it was asked for. */
export class Commits<M extends Membership> {
  readonly #failed: (thrown: unknown, membership: M) => void;
  #last: Promise<void> = Promise.resolve();

  /** @param failed told what was not committed; it may be tried again with what comes, or is by who has the shard then. */
  constructor(failed: (thrown: unknown, membership: M) => void) {
    this.#failed = failed;
  }

  /** Resolves when it is committed or given up. */
  commit(membership: M, buffers: readonly PartitionBuffer[]): Promise<void> {
    const { generation } = membership.member;
    this.#last = this.#last.then(() => this.#commit(membership, generation, buffers));
    return this.#last;
  }

  async #commit(membership: M, generation: number, buffers: readonly PartitionBuffer[]): Promise<void> {
    const { member, joined } = membership;
    // It waited while the shards were spread anew: some are another's, who may be further, and the new generation lets all pass.
    if (!joined || member.generation !== generation) return;
    const ahead = buffers.filter((buffer) => buffer.done !== buffer.committed);
    const positions = ahead.map(({ source: { topic, partition }, done }) => ({ topic, partition, offset: done }));
    if (positions.length === 0) return;
    try {
      await member.commit(positions);
      for (const [i, buffer] of ahead.entries()) buffer.committed = positions[i]?.offset as number;
    } catch (thrown) {
      this.#failed(thrown, membership);
    }
  }
}
