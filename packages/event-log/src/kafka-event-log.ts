import { CaasError } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { defaultMaxPendingBytes } from './append-queue.ts';
import type { KafkaConnection } from './kafka/connection.ts';
import { type ConsumerTimes, KafkaConsumer } from './kafka/consumer.ts';
import { KafkaLayout, type KafkaTopic } from './kafka/layout.ts';
import { KafkaLink } from './kafka/link.ts';
import { Producer } from './kafka/producer.ts';
import { KafkaReader } from './kafka/reader.ts';
import { KafkaTail } from './kafka/tail.ts';
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
import { defaultCloseGraceMs, defaultStallMs, type LogFault } from './sqlite-event-log.ts';
import { allTopics } from './topics.ts';

export const defaultAppendTimeoutMs = 10_000;
export const defaultConsumerTimes: ConsumerTimes = {
  closeGraceMs: defaultCloseGraceMs,
  sessionTimeoutMs: 10_000,
  heartbeatMs: 500,
  rebalanceTimeoutMs: 6_000,
  stallMs: defaultStallMs,
};

export interface KafkaEventLogOptions extends Partial<ConsumerTimes> {
  connection: KafkaConnection;
  /** Default: every topic of the table and its dead letters. */
  topics?: readonly TopicSpec[];
  /** Partitions of the topics that were grown, by their name: multiples of the table's. */
  grown?: Readonly<Record<TopicName, number>>;
  /** Put before the names of topics and groups, for several logs on one cluster. */
  prefix?: string;
  maxPendingBytes?: number;
  /** Longest an append waits for its answer, in milliseconds. */
  appendTimeoutMs?: number;
  /** For logs: what failed and is tried again. Default: a process warning. */
  onFault?(fault: unknown, where: LogFault): void;
}

/**
 * Opens the log on a Kafka cluster that has the topics (`npm run topics`). Rejects UNAVAILABLE when the cluster cannot be
 * reached, with a ConfigError when a topic is missing or its partitions are not those of the table and `grown`.
 */
export const openKafkaEventLog = async (options: KafkaEventLogOptions): Promise<KafkaEventLog> => {
  const prefix = options.prefix ?? '';
  const layout = new KafkaLayout(options.topics ?? allTopics, prefix, options.grown ?? {});
  const link = new KafkaLink(
    options.connection,
    layout.all.map(({ physical }) => physical),
  );
  try {
    await link.refresh();
  } catch (cause) {
    link.close();
    throw new CaasError('UNAVAILABLE', 'the Kafka cluster cannot be reached', { cause });
  }
  const wrong = layout.all.filter(({ physical, partitions }) => link.partitions(physical) !== partitions);
  if (wrong.length > 0) {
    const found = wrong.map((topic) => differenceOf(topic, link.partitions(topic.physical)));
    link.close();
    throw new ConfigError(`the Kafka cluster is not as it is to be:\n${found.join('\n')}`);
  }
  return new KafkaEventLog(options, prefix, layout, link);
};

const differenceOf = ({ physical, partitions }: KafkaTopic, found: number): string =>
  found === 0
    ? `  topic ${physical} is missing: npm run topics`
    : `  topic ${physical} has ${found} partitions, not ${partitions}: npm run topics, or KAFKA_TOPIC_PARTITIONS`;

const warn = (fault: unknown, where: LogFault): void => {
  process.emitWarning(`event log: ${where.doing} failed: ${String(fault)}`);
};

/** EventLog on Kafka. A tail may hear of a record just before its appender does. */
export class KafkaEventLog implements EventLog {
  readonly #options: KafkaEventLogOptions;
  readonly #prefix: string;
  readonly #layout: KafkaLayout;
  /** For reads and offsets. */
  readonly #reads: KafkaLink;
  readonly #writes: KafkaLink;
  readonly #producer: Producer;
  readonly #reader: KafkaReader;
  readonly #times: ConsumerTimes;
  readonly #subscriptions = new Set<Subscription>();
  readonly #report: (fault: unknown, where: LogFault) => void;
  #closing: Promise<void> | undefined;

  constructor(options: KafkaEventLogOptions, prefix: string, layout: KafkaLayout, link: KafkaLink) {
    this.#options = options;
    this.#prefix = prefix;
    this.#layout = layout;
    this.#reads = link;
    this.#reader = new KafkaReader(link);
    this.#report = options.onFault ?? warn;
    this.#times = { ...defaultConsumerTimes, ...definedOf(options) };
    this.#writes = this.#newLink();
    this.#producer = new Producer({
      link: this.#writes,
      layout,
      maxPendingBytes: options.maxPendingBytes ?? defaultMaxPendingBytes,
      appendTimeoutMs: options.appendTimeoutMs ?? defaultAppendTimeoutMs,
      report: (fault, doing) => this.#report(fault, { doing }),
    });
  }

  append(records: readonly NewRecord[]): Promise<LogPosition[]> {
    return this.#producer.append(records);
  }

  subscribe(options: GroupOptions, handler: ShardHandler): Subscription {
    this.#checkOpen();
    const topics = options.topics.map((name) => this.#layout.of(name));
    const { group, shards, maxBatchRecords } = options;
    if (group === '') throw refuse('a group needs a name', 'group');
    if (!(maxBatchRecords >= 1)) throw refuse('a batch holds at least one record', 'maxBatchRecords');
    if (!(Number.isInteger(shards) && shards >= 1 && topics.every(({ partitions }) => partitions % shards === 0)))
      throw refuse(`${shards} shards don't divide the partitions`, 'shards');
    return this.#register(
      new KafkaConsumer({
        connection: this.#options.connection,
        reads: this.#reads,
        groupId: this.#prefix + group,
        topics,
        options,
        handler,
        times: this.#times,
        report: (fault, doing, shard) => this.#report(fault, { doing, group, ...(shard !== undefined && { shard }) }),
      }),
    );
  }

  tail(topics: readonly TopicName[], handler: (records: readonly LogRecord[]) => void): Subscription {
    this.#checkOpen();
    return this.#register(
      new KafkaTail({
        topics: topics.map((name) => this.#layout.of(name)),
        link: this.#newLink(),
        reads: this.#reads,
        stallMs: this.#times.stallMs,
        handler,
        report: (fault, doing) => this.#report(fault, { doing }),
      }),
    );
  }

  async read(topic: TopicName, partition: number, fromOffset: number, limit: number): Promise<LogRecord[]> {
    this.#checkOpen();
    return this.#reader.read(this.#layout.ofPartition(topic, partition), partition, fromOffset, limit);
  }

  async bounds(topic: TopicName, partition: number): Promise<{ first: number; next: number }> {
    this.#checkOpen();
    return this.#reader.bounds(this.#layout.ofPartition(topic, partition), partition);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#producer.close();
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    this.#writes.close();
    this.#reads.close();
  }

  #newLink(): KafkaLink {
    return new KafkaLink(
      this.#options.connection,
      this.#layout.all.map(({ physical }) => physical),
    );
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
}

const definedOf = (options: Partial<ConsumerTimes>): Partial<ConsumerTimes> =>
  Object.fromEntries(
    Object.keys(defaultConsumerTimes).flatMap((key) => {
      const value = options[key as keyof ConsumerTimes];
      return value === undefined ? [] : [[key, value]];
    }),
  );

const refuse = (message: string, field: string): CaasError =>
  new CaasError('INVALID_ARGUMENT', message, { details: { field } });
