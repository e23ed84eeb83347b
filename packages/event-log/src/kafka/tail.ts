import { setTimeout as sleep } from 'node:timers/promises';
import type { LogRecord, Subscription } from '../port.ts';
import { Fetcher, type FetchSource } from './fetcher.ts';
import { type KafkaTopic, recordOf } from './layout.ts';
import type { KafkaLink } from './link.ts';
import { knownEnds, listOffsets, nameOf, type TopicPartition } from './offsets.ts';

const startRetryMs = 200;

export interface TailDeps {
  /** Its own: a fetch that waits for records holds up whatever follows on its connection. */
  link: KafkaLink;
  reads: KafkaLink;
  topics: readonly KafkaTopic[];
  stallMs: number;
  handler(records: readonly LogRecord[]): void;
  report(fault: unknown, doing: string): void;
}

/**
 * Reads all partitions of some topics without a group. kafkajs reads in groups only: a throw-away group would leave its
 * place whenever its session ends and start again at the ends of then, losing what came between. So this fetches itself.
 */
export class KafkaTail implements Subscription {
  readonly #deps: TailDeps;
  readonly #fetcher: Fetcher;
  readonly #partitions: readonly TopicPartition[];
  #sources: FetchSource[] = [];
  #heard: LogRecord[] = [];
  #closed = false;
  #stalled = false;
  /** When records were last heard, or none waited, on the monotonic clock. */
  #progressAtMs = performance.now();
  readonly #watching: NodeJS.Timeout;
  readonly #started: Promise<void>;

  constructor(deps: TailDeps) {
    this.#deps = deps;
    this.#fetcher = new Fetcher(deps.link, deps.report, () => this.#tell());
    this.#partitions = deps.topics.flatMap(({ physical, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: physical, partition })),
    );
    this.#watching = setInterval(() => void this.#watch(), Math.min(deps.stallMs / 4, 5_000));
    this.#started = this.#start();
  }

  stalled(): boolean {
    return this.#stalled;
  }

  async lag(): Promise<number> {
    await this.#started;
    return this.#behind(await listOffsets(this.#deps.reads, this.#partitions, 'next'));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watching);
    const stopped = this.#fetcher.stop();
    this.#deps.link.close();
    await Promise.all([this.#started, stopped]);
  }

  /** From the ends as they are when the brokers first answer. */
  async #start(): Promise<void> {
    while (!this.#closed) {
      try {
        const ends = await listOffsets(this.#deps.link, this.#partitions, 'next');
        this.#sources = this.#deps.topics.flatMap((topic) => this.#sourcesOf(topic, ends));
        this.#fetcher.read(this.#sources);
        return;
      } catch (thrown) {
        if (this.#closed) return;
        this.#deps.report(thrown, 'tail');
        await sleep(startRetryMs);
      }
    }
  }

  #sourcesOf({ name, physical, partitions }: KafkaTopic, ends: ReadonlyMap<string, number>): FetchSource[] {
    return Array.from({ length: partitions }, (_, partition) => ({
      topic: physical,
      partition,
      fetchNext: ends.get(nameOf({ topic: physical, partition })) as number,
      wants: () => true,
      take: (messages) => {
        for (const message of messages) this.#heard.push(recordOf(name, partition, message));
      },
    }));
  }

  /** Records it has not heard; of a tail that could not start yet more than one can say. */
  #behind(ends: ReadonlyMap<string, number>): number {
    if (this.#sources.length === 0) return Number.POSITIVE_INFINITY;
    return this.#sources.reduce(
      (sum, source) => sum + Math.max(0, (ends.get(nameOf(source)) ?? 0) - source.fetchNext),
      0,
    );
  }

  async #watch(): Promise<void> {
    const { stallMs, link, report } = this.#deps;
    const behind = await knownEnds(this.#deps.reads, this.#partitions).then(
      (ends) => this.#behind(ends),
      () => Number.POSITIVE_INFINITY,
    );
    if (behind === 0) this.#progressed();
    if (this.#closed || performance.now() - this.#progressAtMs < stallMs) return;
    this.#stalled = true;
    this.#progressAtMs = performance.now();
    report(new Error(`records wait and none was heard for ${stallMs} ms; the tail connects anew`), 'stalled');
    link.reset();
  }

  #progressed(): void {
    this.#stalled = false;
    this.#progressAtMs = performance.now();
  }

  #tell(): void {
    const records = this.#heard;
    if (records.length === 0 || this.#closed) return;
    this.#heard = [];
    this.#progressed();
    try {
      this.#deps.handler(records);
    } catch (thrown) {
      this.#deps.report(thrown, 'tail');
    }
  }
}
