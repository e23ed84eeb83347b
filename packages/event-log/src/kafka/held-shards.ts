import type { GroupOffset, GroupOptions, ShardHandler } from '../port.ts';
import { ShardRun } from '../shard-run.ts';
import { settledWithin } from '../wait.ts';
import type { PartitionBuffer } from './partition-buffer.ts';

export interface HeldShardsDeps {
  options: GroupOptions;
  handler: ShardHandler;
  closeGraceMs: number;
  /** A batch is done. */
  finished(): void;
  report(fault: unknown, doing: string, shard: number): void;
}

export interface HeldShard {
  run: ShardRun<PartitionBuffer>;
  buffers: readonly PartitionBuffer[];
  /** When a batch was last done, or nothing waited, on the monotonic clock. */
  progressAtMs: number;
}

/** The shards a member has, each with its run and its partitions. */
export class HeldShards {
  readonly #deps: HeldShardsDeps;
  readonly #held = new Map<number, HeldShard>();
  readonly #batches = new Set<Promise<void>>();
  #paused = false;

  constructor(deps: HeldShardsDeps) {
    this.#deps = deps;
  }

  get shards(): number[] {
    return [...this.#held.keys()];
  }

  get all(): HeldShard[] {
    return [...this.#held.values()];
  }

  get buffers(): PartitionBuffer[] {
    return this.all.flatMap(({ buffers }) => buffers);
  }

  start(shard: number, buffers: readonly PartitionBuffer[]): void {
    const { options, handler, closeGraceMs, finished, report } = this.#deps;
    const run = new ShardRun<PartitionBuffer>({
      shard,
      slots: buffers,
      handler: {
        // Where it stands, also while it is paused.
        assigned: (s, _, signal) => handler.assigned(s, offsetsOf(buffers), signal),
        batch: (s, records, signal) => this.#tracked(handler.batch(s, records, signal)),
        revoked: (s) => handler.revoked(s),
      },
      maxBatchRecords: options.maxBatchRecords,
      gather: options.gather,
      closeGraceMs,
      position: (buffer) => (this.#paused ? buffer.next : buffer.position),
      read: (buffer, _from, limit, into) => {
        if (!this.#paused) buffer.read(limit, into);
      },
      commit: (buffer, next, records) => {
        buffer.finish(next, records);
        held.progressAtMs = performance.now();
        finished();
      },
      report: (fault, doing) => report(fault, doing, shard),
    });
    const held: HeldShard = { run, buffers, progressAtMs: performance.now() };
    this.#held.set(shard, held);
  }

  /** Ends the runs of some shards; see ShardRun.stop. */
  async stop(shards: readonly number[], how: 'drain' | 'revoke'): Promise<void> {
    await Promise.all(
      shards.map(async (shard) => {
        await this.#held.get(shard)?.run.stop(how);
        this.#held.delete(shard);
      }),
    );
  }

  /** No further batches begin; resolves when those in hand have ended, or after `closeGraceMs`. */
  async pause(): Promise<void> {
    this.#paused = true;
    await settledWithin(Promise.allSettled([...this.#batches]), this.#deps.closeGraceMs);
  }

  resume(): void {
    this.#paused = false;
    for (const buffer of this.buffers) for (const wake of buffer.wakers) wake();
  }

  #tracked(batch: Promise<void>): Promise<void> {
    this.#batches.add(batch);
    const forget = (): void => void this.#batches.delete(batch);
    batch.then(forget, forget);
    return batch;
  }
}

const offsetsOf = (buffers: readonly PartitionBuffer[]): GroupOffset[] =>
  buffers.map(({ topic, partition, position }) => ({ topic, partition, next: position }));
