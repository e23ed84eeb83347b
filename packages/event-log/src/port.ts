/**
 * The durable log of everything that was accepted. Embedded: SQLite. Distributed: Kafka.
 *
 * What callers may rely on:
 * - A record is durable (survives kill -9 and power loss) before `append` resolves for it.
 * - Records of one partition are totally ordered by offset; `partitionOf` maps equal keys of topics whose partition
 *   counts share a divisor S to partitions that are equal modulo S.
 * - Delivery to a group is at least once: after a crash, records past the last commit are delivered again.
 */
export interface EventLog {
  /**
   * Appends records in the given order and resolves with one position a record. Rejects with CaasError INVALID_ARGUMENT
   * for an unknown topic, a value over 1 MiB, a key and headers over 16 Ki characters together or a header with a line
   * feed; OVERLOADED when more than `maxPendingBytes` wait; UNAVAILABLE when the log could not be written (disk full, engine
   * away): after these nothing of the call is in the log. DEADLINE_EXCEEDED when that is not known (no answer in time, the
   * engine failed in the middle): its records are delivered or they are not, and a retry may duplicate them (consumers
   * deduplicate). The log keeps `value` and `headers`: don't change them afterwards.
   */
  append(records: readonly NewRecord[]): Promise<LogPosition[]>;

  /**
   * Joins a consumer group. Each shard (see `GroupOptions.shards`) is owned by one live member of the group at a time.
   * `handler` gets the batches of one shard one after the other, those of different shards concurrently. Members of one
   * group name the same topics and shards; else, and for shards that don't divide the partitions: INVALID_ARGUMENT.
   */
  subscribe(group: GroupOptions, handler: ShardHandler): Subscription;

  /**
   * Reads every partition of the topics from their ends at the time of the call, without a group; for broadcasts. The
   * handler is called once for what one flush of the log brings; it must not block. The embedded log calls it after the
   * appenders have their answer; between processes the two may cross. An engine's ends are those it first answers with.
   */
  tail(topics: readonly TopicName[], handler: (records: readonly LogRecord[]) => void): Subscription;

  /** Reads up to `limit` records from an offset on, for repair and inspection. */
  read(topic: TopicName, partition: number, fromOffset: number, limit: number): Promise<LogRecord[]>;

  /** First kept and next free offset of a partition. */
  bounds(topic: TopicName, partition: number): Promise<{ first: number; next: number }>;

  /** Resolves after pending appends are durable; later appends reject with DRAINING. Idempotent. */
  close(): Promise<void>;
}

export type TopicName = string;

export interface NewRecord {
  topic: TopicName;
  /** Decides the partition; equal keys stay in order. */
  key: string;
  value: Uint8Array;
  /** Small ASCII headers: traceparent, content-type, tenant-id. */
  headers: Readonly<Record<string, string>>;
}

export interface LogPosition {
  partition: number;
  /** 0, 1, 2 … per partition; gaps are allowed, order is not broken. */
  offset: number;
}

export interface LogRecord extends NewRecord, LogPosition {
  /** When the log took the record, UTC milliseconds. */
  appendedAtMs: number;
}

export interface GroupOptions {
  /** Name of the group; committed offsets belong to it. */
  group: string;
  topics: readonly TopicName[];
  /** Number of shards S; shard s owns the partitions p ≡ s (mod S) of every topic. Divides every partition count. */
  shards: number;
  /** Greatest number of records a batch may hold. */
  maxBatchRecords: number;
  /** Where a group that has no committed offset starts. */
  from: 'earliest' | 'latest';
  /** Records of these topics alone wait until `ms` after the last batch, for company; any other ends the wait. Default: none. */
  gather?: { topics: readonly TopicName[]; ms: number };
}

/** Where a group stands in a partition. */
export interface GroupOffset {
  topic: TopicName;
  partition: number;
  /** Everything below has been committed by the group, or is before where it started. */
  next: number;
}

export interface ShardHandler {
  /**
   * A member now owns the shard; `offsets` says, for each of its partitions, with which record its batches begin. Batches
   * follow only after this resolves; when it rejects it is called again. It may take its time, to bring up to date what the
   * batches build on: `signal` fires when the shard is taken away meanwhile or the subscription is closed.
   */
  assigned(shard: number, offsets: readonly GroupOffset[], signal: AbortSignal): Promise<void>;
  /**
   * Records of one shard, in order within each partition, interleaved over its partitions. Resolving commits them.
   * Rejecting makes the log deliver the same records again after a backoff (100 ms doubling to 5 s).
   */
  batch(shard: number, records: readonly LogRecord[], signal: AbortSignal): Promise<void>;
  /** The shard was taken away; work in flight for it is void (`signal` of its batch has fired). */
  revoked(shard: number): Promise<void>;
}

export interface Subscription {
  /**
   * Stops delivery, waits for the batch in flight (which then counts), leaves the group. A handler that does not answer
   * within the log's `closeGraceMs` loses its shard: its signal fires and what it answers later commits nothing. Idempotent.
   */
  close(): Promise<void>;
  /** Records not yet committed by the group (0 for a tail that is up to date). */
  lag(): Promise<number>;
  /**
   * Whether records wait and none was done for the log's `stallMs`, so that who depends on it is not ready. An engine's
   * consumer has then begun anew by itself, and does so each `stallMs`; false again with the first batch done. A handler
   * that is still taking a shard over (`assigned`) does not count.
   */
  stalled(): boolean;
}

/** Topic as declared in the one table. */
export interface TopicSpec {
  name: TopicName;
  partitions: number;
  /** How long records are kept, in milliseconds; the embedded log keeps longer what a group has not had yet. */
  retentionMs: number;
}
