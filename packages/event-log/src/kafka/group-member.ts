import { setTimeout as sleep } from 'node:timers/promises';
import { settledWithin } from '../wait.ts';
import { assign, encodeMember, protocolName, shardsOf } from './assignment.ts';
import { Code, check, KafkaFault } from './codes.ts';
import type { KafkaTopic } from './layout.ts';
import type { KafkaLink } from './link.ts';
import { byTopic, nameOf, type TopicPartition } from './offsets.ts';

export interface GroupMemberOptions {
  link: KafkaLink;
  /** Name of the group in the cluster. */
  groupId: string;
  topics: readonly KafkaTopic[];
  shards: number;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
}

export interface Assignment {
  shards: number[];
  /** Nobody else can have had a shard since the last assignment. */
  continuous: boolean;
}

export interface Position extends TopicPartition {
  offset: number;
}

const leaveRetryMs = 100;

const moved = new Set<number>([Code.coordinatorLoading, Code.coordinatorNotAvailable, Code.notCoordinator]);
const expelled = new Set<number>([Code.unknownMember, Code.illegalGeneration]);

/** The group goes on without this member: what it holds is no longer its own. */
export class Expelled extends Error {
  override readonly name = 'Expelled';
}

/**
 * One membership in a group, as the coordinator sees it. Whatever it commits carries its generation, so that a member that
 * lost its place, and does not know, commits nothing.
 */
export class GroupMember {
  readonly #options: GroupMemberOptions;
  #coordinator: number | undefined;
  #memberId = '';
  #generation = -1;
  /** The request to join whose answer is awaited; it may give this member its id. */
  #joining: Promise<unknown> = Promise.resolve();
  #left = false;
  /** Member and generation of the last assignment. */
  #assigned = { memberId: '', generation: -1 };
  /** When the coordinator last knew this member, on the monotonic clock. */
  seenAtMs = performance.now();

  constructor(options: GroupMemberOptions) {
    this.#options = options;
  }

  /** Of the last assignment it took part in; every commit is for it. */
  get generation(): number {
    return this.#generation;
  }

  /** Takes part in the next assignment. Resolves when every member has, or its time is up. */
  async join(held: readonly number[]): Promise<Assignment> {
    const { topics, shards } = this.#options;
    const asking = this.#askToJoin(held);
    this.#joining = asking;
    const joined = await asking;
    if (this.#left) throw new Error('the member has left');
    if (joined.errorCode === Code.memberIdRequired) return this.join(held);
    this.#judge(joined.errorCode, 'join');
    this.#generation = joined.generationId;
    const leads = joined.leaderId === joined.memberId;
    const synced = await this.#ask('SyncGroup', {
      generationId: this.#generation,
      memberId: this.#memberId,
      groupAssignment: leads ? assign(joined.members, topics, shards) : [],
    });
    this.#judge(synced.errorCode, 'sync');
    this.seenAtMs = performance.now();
    const last = this.#assigned;
    this.#assigned = { memberId: this.#memberId, generation: this.#generation };
    const continuous = last.memberId === this.#memberId && last.generation + 1 === this.#generation;
    return { shards: shardsOf(synced.memberAssignment, shards), continuous };
  }

  async #askToJoin(held: readonly number[]) {
    const { topics, shards, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options;
    const joined = await this.#ask('JoinGroup', {
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      memberId: this.#memberId,
      protocolType: 'consumer',
      groupProtocols: [{ name: protocolName(shards), metadata: encodeMember(topics, held) }],
    });
    if (joined.memberId !== '') this.#memberId = joined.memberId;
    return joined;
  }

  /** Tells the coordinator that this member lives; false: the shards are to be spread anew. */
  async heartbeat(): Promise<boolean> {
    const { errorCode } = await this.#ask('Heartbeat', {
      memberId: this.#memberId,
      groupGenerationId: this.#generation,
    });
    if (errorCode !== Code.rebalanceInProgress) this.#judge(errorCode, 'heartbeat');
    this.seenAtMs = performance.now();
    return errorCode === Code.none;
  }

  /** Rejects when it was not committed; with Expelled when it can't be. */
  async commit(positions: readonly Position[]): Promise<void> {
    const { responses } = await this.#ask('OffsetCommit', {
      memberId: this.#memberId,
      groupGenerationId: this.#generation,
      retentionTime: -1,
      topics: byTopic(positions, ({ partition, offset }) => ({ partition, offset: String(offset) })),
    });
    for (const { partitions } of responses) for (const { errorCode } of partitions) this.#judge(errorCode, 'commit');
  }

  committed(partitions: readonly TopicPartition[]): Promise<Map<string, number>> {
    return committedOffsets(this.#options.link, this.#options.groupId, partitions);
  }

  /**
   * Leaves, so that the others need not wait for the session to end. Through a link on which nothing waits; tries for
   * `timeoutMs`.
   */
  async leave(link: KafkaLink, timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    this.#left = true;
    if (this.#memberId === '') await settledWithin(this.#joining, timeoutMs);
    while (this.#memberId !== '') {
      try {
        await this.#leave(link);
      } catch (thrown) {
        if (performance.now() > deadlineMs) throw thrown;
        await sleep(leaveRetryMs);
      }
    }
  }

  async #leave(link: KafkaLink): Promise<void> {
    const { groupId } = this.#options;
    const memberId = this.#memberId;
    const { errorCode } = await link.call(await findCoordinator(link, groupId), 'LeaveGroup', { groupId, memberId });
    if (errorCode !== Code.unknownMember) check(errorCode, 'leave');
    this.#memberId = '';
  }

  async #ask<A extends 'JoinGroup' | 'SyncGroup' | 'Heartbeat' | 'OffsetCommit'>(api: A, args: object) {
    const { link, groupId } = this.#options;
    try {
      this.#coordinator ??= await findCoordinator(link, groupId);
      return await link.call(this.#coordinator, api, { groupId, ...args });
    } catch (thrown) {
      this.#coordinator = undefined;
      throw thrown;
    }
  }

  #judge(code: number, doing: string): void {
    if (code === Code.none) return;
    if (moved.has(code)) this.#coordinator = undefined;
    if (code === Code.unknownMember) this.#memberId = '';
    const fault = new KafkaFault(code, doing);
    if (expelled.has(code)) throw new Expelled('the group went on without this member', { cause: fault });
    throw fault;
  }
}

const findCoordinator = async (link: KafkaLink, groupId: string): Promise<number> => {
  const { errorCode, coordinator } = await link.call(undefined, 'GroupCoordinator', { groupId, coordinatorType: 0 });
  check(errorCode, 'find the coordinator');
  return coordinator.nodeId;
};

/** Committed offsets of a group by `nameOf`; partitions that have none are left out. */
export const committedOffsets = async (
  link: KafkaLink,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<Map<string, number>> => {
  const topics = byTopic(partitions, ({ partition }) => ({ partition }));
  const { errorCode = Code.none, responses } = await link.call(await findCoordinator(link, groupId), 'OffsetFetch', {
    groupId,
    topics,
  });
  check(errorCode, 'fetch committed offsets');
  const offsets = new Map<string, number>();
  for (const { topic, partitions: found } of responses)
    for (const { partition, offset, errorCode: code } of found) {
      check(code, 'fetch committed offsets');
      if (Number(offset) >= 0) offsets.set(nameOf({ topic, partition }), Number(offset));
    }
  return offsets;
};
