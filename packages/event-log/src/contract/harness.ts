import { CaasError } from '@caas/kit';
import type { EventLog, GroupOffset, GroupOptions, LogRecord, NewRecord, ShardHandler, Subscription } from '../port.ts';
import { partitionName, Topic } from '../topics.ts';

/** Longest a test waits for something to come true, in milliseconds. */
const deadlineMs = 12_000;

/** Repeats `check` until it passes; throws what it threw last when the deadline passes. */
export const eventually = async (check: () => void | Promise<void>, withinMs = deadlineMs): Promise<void> => {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      await check();
      return;
    } catch (thrown) {
      if (Date.now() > deadline) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
};

export const aRecord = (key: string, text: string, topic: string = Topic.messageSent): NewRecord => {
  return { topic, key, value: new TextEncoder().encode(text), headers: {} };
};

export const textOf = (record: LogRecord): string => new TextDecoder().decode(record.value);

export const reasonOf = async (work: Promise<unknown> | (() => unknown)): Promise<string> => {
  try {
    await (typeof work === 'function' ? work() : work);
    return 'none';
  } catch (thrown) {
    return thrown instanceof CaasError ? thrown.reason : String(thrown);
  }
};

export const aGroup = (changes: Partial<GroupOptions> = {}): GroupOptions => {
  return {
    group: 'workers',
    topics: [Topic.messageSent],
    shards: 3,
    maxBatchRecords: 100,
    from: 'earliest',
    ...changes,
  };
};

/** A member that notes what happens to it; `onBatch` may hold a batch up or reject it. */
export class RecordingMember implements ShardHandler {
  readonly seen: LogRecord[] = [];
  readonly owned = new Set<number>();
  /** assigned, batch and revoked with their shard, in the order they came. */
  readonly events: string[] = [];
  readonly signals: AbortSignal[] = [];
  /** Where its shards began when they were last assigned, by "topic-partition". */
  readonly began = new Map<string, number>();
  readonly #onBatch: (shard: number, records: readonly LogRecord[]) => Promise<void>;
  subscription: Subscription | undefined;

  constructor(onBatch: (shard: number, records: readonly LogRecord[]) => Promise<void> = async () => undefined) {
    this.#onBatch = onBatch;
  }

  join(log: EventLog, changes: Partial<GroupOptions> = {}): this {
    this.subscription = log.subscribe(aGroup(changes), this);
    return this;
  }

  get texts(): string[] {
    return this.seen.map(textOf);
  }

  async assigned(shard: number, offsets: readonly GroupOffset[], _signal: AbortSignal): Promise<void> {
    for (const { topic, partition, next } of offsets) this.began.set(partitionName(topic, partition), next);
    this.events.push(`assigned ${shard}`);
    this.owned.add(shard);
  }

  async batch(shard: number, records: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    this.events.push(`batch ${shard}`);
    this.signals.push(signal);
    await this.#onBatch(shard, records);
    this.seen.push(...records);
  }

  async revoked(shard: number): Promise<void> {
    this.events.push(`revoked ${shard}`);
    this.owned.delete(shard);
  }
}

/** A promise and its ends. */
export const aGate = (): { opened: Promise<void>; open(): void } => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
};
