import { CaasError, type Clock, systemClock } from '@caas/kit';
import { openSqliteHost, type SqliteHost } from '@caas/sqlite';
import { AppendQueue, defaultMaxPendingBytes, type SlotNews } from './append-queue.ts';
import { CommitKeeper } from './commit-keeper.ts';
import { ConsumerGroup } from './consumer-group.ts';
import { LogReader } from './log-reader.ts';
import { MemoryTail } from './memory-tail.ts';
import type {
  EventLog,
  GroupOptions,
  LogPosition,
  LogRecord,
  NewRecord,
  ShardHandler,
  Subscription,
  TopicName,
  TopicSpec,
} from './port.ts';
import { trimExpired } from './retention.ts';
import { SlotTable } from './slots.ts';
import type { LogThread, LogThreadOptions } from './sqlite-event-log-worker.ts';
import { allTopics } from './topics.ts';

/** Bytes of the newest records held in memory. */
export const defaultTailBytes = 32 * 1024 * 1024;
/** How long a shard waits for its handler when it is taken away, in milliseconds. */
export const defaultCloseGraceMs = 2_000;
/** How long records may wait for a consumer that takes none until it counts as stalled, in milliseconds. */
export const defaultStallMs = 30_000;
/** Time between two looks for expired records, in milliseconds. */
export const defaultRetentionIntervalMs = 60_000;
/** How long an open waits for another process to let go of the file, in milliseconds. */
const ownerTimeoutMs = 500;
/** Greatest number of records one `read` asks for. */
export const maxReadRecords = 10_000;

/** Something the log could not do for a consumer; it tries again by itself. */
export interface LogFault {
  /** What was tried: batch, assigned, revoked, read, load, position, commit, tail, retention, stop. */
  doing: string;
  group?: string;
  shard?: number;
}

export interface SqliteEventLogOptions {
  /** Path of the database. One process opens it at a time. */
  file: string;
  /** Default: every topic of the table and its dead letters. */
  topics?: readonly TopicSpec[];
  tailBytes?: number;
  maxPendingBytes?: number;
  closeGraceMs?: number;
  stallMs?: number;
  retentionIntervalMs?: number;
  commandTimeoutMs?: number;
  clock?: Clock;
  /** For logs: handlers that rejected, reads that failed. Default: a process warning. */
  onFault?(fault: unknown, where: LogFault): void;
  /** Greatest size of the file in SQLite pages of 4 KiB; default unbounded. */
  maxPages?: number;
  /**
   * By "topic-partition" the offsets below which records were read already, by what is built on the log. A partition that
   * is empty begins past them: it is of a log that was lost, and its offsets must not mean other records than before. One
   * that has records and ends below is of an older log, and the open rejects.
   */
  notBefore?: Readonly<Record<string, number>>;
}

/**
 * Opens the embedded event log. Rejects UNAVAILABLE when the file cannot be opened or another process has it, INTERNAL when
 * it declares other partition counts.
 */
export const openSqliteEventLog = async (options: SqliteEventLogOptions): Promise<SqliteEventLog> => {
  const topics = options.topics ?? allTopics;
  const threadOptions: LogThreadOptions = { topics, maxPages: options.maxPages, notBefore: options.notBefore };
  const host = await openSqliteHost<LogThread>({
    file: options.file,
    module: new URL('./sqlite-event-log-worker.ts', import.meta.url),
    options: threadOptions,
    exclusive: true,
    busyTimeoutMs: ownerTimeoutMs,
    writes: ['append', 'commit', 'trim'],
    ...(options.commandTimeoutMs !== undefined && { commandTimeoutMs: options.commandTimeoutMs }),
  });
  try {
    return new SqliteEventLog(host, new SlotTable(await host.call('layout', undefined)), { ...options, topics });
  } catch (thrown) {
    await host.close();
    throw thrown;
  }
};

const warn = (fault: unknown, where: LogFault): void => {
  process.emitWarning(`event log: ${where.doing} failed: ${String(fault)}`);
};

/** EventLog on one SQLite file. Offsets are gapless; the members of a group live in this process. */
export class SqliteEventLog implements EventLog {
  readonly #host: SqliteHost<LogThread>;
  readonly #slots: SlotTable;
  readonly #tail: MemoryTail;
  readonly #reader: LogReader;
  readonly #queue: AppendQueue;
  readonly #commits: CommitKeeper;
  readonly #groups = new Map<string, ConsumerGroup>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #tails = new Set<(news: readonly SlotNews[]) => void>();
  readonly #closeGraceMs: number;
  readonly #stallMs: number;
  readonly #report: (fault: unknown, where: LogFault) => void;
  readonly #closed = new AbortController();
  #closing: Promise<void> | undefined;
  #retention: NodeJS.Timeout;
  #trimming: Promise<void> = Promise.resolve();

  constructor(
    host: SqliteHost<LogThread>,
    slots: SlotTable,
    options: SqliteEventLogOptions & { topics: readonly TopicSpec[] },
  ) {
    const clock = options.clock ?? systemClock;
    this.#host = host;
    this.#slots = slots;
    this.#report = options.onFault ?? warn;
    this.#closeGraceMs = options.closeGraceMs ?? defaultCloseGraceMs;
    this.#stallMs = options.stallMs ?? defaultStallMs;
    this.#tail = new MemoryTail(options.tailBytes ?? defaultTailBytes);
    this.#reader = new LogReader(host, this.#tail);
    this.#commits = new CommitKeeper(host, (fault) => this.#report(fault, { doing: 'commit' }));
    this.#queue = new AppendQueue({
      host,
      slots,
      clock,
      maxPendingBytes: options.maxPendingBytes ?? defaultMaxPendingBytes,
      keep: (news) => this.#keep(news),
      announce: (news) => this.#announce(news),
      readBack: (slot, from, to) => this.#reader.readBack(slot, from, to),
    });
    this.#retention = setInterval(() => {
      this.#trimming = this.#trimming
        .then(() => trimExpired(host, slots, options.topics, clock, this.#closed.signal))
        .then((holders) => {
          for (const group of holders)
            this.#report(new Error('records past their time are kept: the group has not had them'), {
              doing: 'retention',
              group,
            });
        })
        .catch((fault: unknown) => this.#report(fault, { doing: 'retention' }));
    }, options.retentionIntervalMs ?? defaultRetentionIntervalMs);
  }

  append(records: readonly NewRecord[]): Promise<LogPosition[]> {
    return this.#queue.append(records);
  }

  subscribe(options: GroupOptions, handler: ShardHandler): Subscription {
    this.#checkOpen();
    const group = this.#groups.get(options.group) ?? this.#newGroup(options);
    const subscription = group.join(options, handler);
    this.#groups.set(options.group, group);
    return this.#register(subscription);
  }

  tail(topics: readonly TopicName[], handler: (records: readonly LogRecord[]) => void): Subscription {
    this.#checkOpen();
    // What is durable by now but not yet announced was appended before this call.
    const ends = new Map(topics.flatMap((topic) => this.#slots.ofTopic(topic)).map((slot) => [slot, slot.next]));
    const hear = (news: readonly SlotNews[]): void => {
      const records = news.flatMap(({ slot, records: found }) => {
        const end = ends.get(slot);
        return end === undefined || (found[0] as LogRecord).offset < end ? [] : found;
      });
      if (records.length > 0) handler(records);
    };
    this.#tails.add(hear);
    return this.#register({
      close: async () => {
        this.#tails.delete(hear);
      },
      lag: async () => 0,
      stalled: () => false,
    });
  }

  async read(topic: TopicName, partition: number, fromOffset: number, limit: number): Promise<LogRecord[]> {
    this.#checkOpen();
    const slot = this.#slots.ofPartition(topic, partition);
    const records: LogRecord[] = [];
    if (limit > 0)
      await this.#reader.read(slot, Math.max(fromOffset, slot.first), Math.min(limit, maxReadRecords), records);
    return records;
  }

  async bounds(topic: TopicName, partition: number): Promise<{ first: number; next: number }> {
    const { first, next } = this.#slots.ofPartition(topic, partition);
    return { first, next };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    clearInterval(this.#retention);
    await this.#queue.close();
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#trimming;
    await this.#commits.close();
    await this.#host.close();
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new CaasError('DRAINING', 'the log is closing');
  }

  #register(subscription: Subscription): Subscription {
    const registered: Subscription = {
      lag: () => subscription.lag(),
      stalled: () => subscription.stalled(),
      close: async () => {
        await subscription.close();
        this.#subscriptions.delete(registered);
      },
    };
    this.#subscriptions.add(registered);
    return registered;
  }

  #newGroup(options: GroupOptions): ConsumerGroup {
    const deps = {
      slots: this.#slots,
      closeGraceMs: this.#closeGraceMs,
      stallMs: this.#stallMs,
      load: async (group: string) => {
        const rows = await this.#host.call('committed', group);
        return new Map(rows.map((row) => [row.slot, row.next]));
      },
      commit: (group: string, slot: { id: number }, next: number, records: number) =>
        this.#commits.commit({ group, slot: slot.id, next }, records),
      read: this.#reader.read.bind(this.#reader),
      report: this.#report,
    };
    return new ConsumerGroup(deps, options);
  }

  #keep(news: readonly SlotNews[]): void {
    for (const { slot, records } of news) {
      slot.next += records.length;
      this.#tail.push(slot.id, records);
    }
  }

  #announce(news: readonly SlotNews[]): void {
    for (const hear of this.#tails) {
      try {
        hear(news);
      } catch (thrown) {
        this.#report(thrown, { doing: 'tail' });
      }
    }
    for (const { slot } of news) for (const wake of slot.wakers) wake();
  }
}
