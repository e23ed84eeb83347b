import { setTimeout as sleep } from 'node:timers/promises';
import { Bell } from '../wait.ts';
import { Code, check, KafkaFault } from './codes.ts';
import type { KafkaLink } from './link.ts';
import { byTopic, listOffsets, nameOf, type TopicPartition } from './offsets.ts';
import type { FetchedMessage, FetchedPartition } from './protocol.ts';

/** How long a broker holds a fetch for which there is nothing, in milliseconds; a new source waits as long at most. */
const maxWaitMs = 250;
/** Bytes of one partition in an answer, but for a batch that is larger. */
const maxPartitionBytes = 512 * 1024;
const maxAnswerBytes = 8 * 1024 * 1024;
/** Wait after a failed fetch, in milliseconds. */
const retryMs = 100;

/** A partition that is read on and on. */
export interface FetchSource extends TopicPartition {
  /** Kafka's offset of what is fetched next. */
  fetchNext: number;
  /** Whether it has room. */
  wants(): boolean;
  /** Takes what follows on what it had; `end` is the partition's next free offset. */
  take(messages: readonly FetchedMessage[], end: number): void;
}

/** Reads partitions from their leaders: a request to each broker at a time, which the broker holds until there is something. */
export class Fetcher {
  readonly #link: KafkaLink;
  readonly #report: (fault: unknown, doing: string) => void;
  /** Called after each answer, when its partitions have taken their parts. */
  readonly #answered: () => void;
  #sources = new Map<string, FetchSource>();
  readonly #loops = new Map<number, Promise<void>>();
  readonly #bell = new Bell();
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(
    link: KafkaLink,
    report: (fault: unknown, doing: string) => void,
    answered: () => void = () => undefined,
  ) {
    this.#link = link;
    this.#report = report;
    this.#answered = answered;
    this.#done = this.#run();
  }

  /** From now on these are read; what is on its way for others is ignored. */
  read(sources: readonly FetchSource[]): void {
    this.#sources = new Map(sources.map((source) => [nameOf(source), source]));
    this.#bell.ring();
  }

  /** A source has room again. */
  readonly wake = (): void => this.#bell.ring();

  /** Resolves when nothing more is taken. The link is the caller's to close. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#sources.clear();
    this.#bell.ring();
    await this.#done;
  }

  /** Starts a loop for each broker that leads a partition with room and has none. */
  async #run(): Promise<void> {
    while (!this.#stopped) {
      let homeless = false;
      for (const source of this.#sources.values()) {
        const node = source.wants() ? this.#link.leader(source.topic, source.partition) : -1;
        homeless ||= node === undefined;
        if (node !== undefined && node >= 0 && !this.#loops.has(node)) this.#start(node);
      }
      if (homeless) await this.#refresh();
      await this.#bell.heard(homeless ? retryMs : undefined);
    }
  }

  #start(node: number): void {
    const loop = this.#loop(node).finally(() => {
      this.#loops.delete(node);
      this.#bell.ring();
    });
    this.#loops.set(node, loop);
  }

  async #loop(node: number): Promise<void> {
    for (;;) {
      const sources = [...this.#sources.values()].filter(
        (source) => source.wants() && this.#link.leader(source.topic, source.partition) === node,
      );
      if (sources.length === 0) return;
      try {
        await this.#fetch(node, sources);
      } catch (thrown) {
        if (this.#stopped) return;
        this.#report(thrown, 'read');
        await sleep(retryMs);
        await this.#refresh();
      }
    }
  }

  async #fetch(node: number, sources: readonly FetchSource[]): Promise<void> {
    const { errorCode, responses } = await this.#link.call(node, 'Fetch', fetchArgs(sources, maxWaitMs));
    check(errorCode, 'fetch');
    let fault: KafkaFault | undefined;
    for (const { topicName, partitions } of responses)
      for (const answer of partitions) {
        const source = this.#sources.get(nameOf({ topic: topicName, partition: answer.partition }));
        // Not ours any more, or a new one in its place.
        if (source === undefined || !sources.includes(source)) continue;
        if (answer.errorCode === Code.offsetOutOfRange) await this.#reset(source);
        else if (answer.errorCode === Code.none) take(source, answer);
        else fault = new KafkaFault(answer.errorCode, `fetch ${topicName} ${answer.partition}`);
      }
    this.#answered();
    if (fault) throw fault;
  }

  /** What is no longer kept can't be had: it goes on with what is, and says so. */
  async #reset(source: FetchSource): Promise<void> {
    const first = (await listOffsets(this.#link, [source], 'first')).get(nameOf(source)) as number;
    const lost = `offsets from ${source.fetchNext} of ${source.topic} ${source.partition}`;
    this.#report(new Error(`${lost} are gone and were never had; going on at ${first}`), 'position');
    source.fetchNext = first;
  }

  async #refresh(): Promise<void> {
    try {
      await this.#link.refresh();
    } catch (thrown) {
      if (!this.#stopped) this.#report(thrown, 'metadata');
    }
  }
}

export const fetchArgs = (
  sources: readonly Pick<FetchSource, 'topic' | 'partition' | 'fetchNext'>[],
  waitMs: number,
) => ({
  maxWaitTime: waitMs,
  minBytes: 1,
  maxBytes: maxAnswerBytes,
  isolationLevel: 0,
  topics: byTopic(sources, ({ partition, fetchNext }) => ({
    partition,
    fetchOffset: String(fetchNext),
    maxBytes: maxPartitionBytes,
  })),
});

/** An answer begins with the batch that holds the offset, which may begin before it. */
const take = (source: FetchSource, { messages, highWatermark }: FetchedPartition): void => {
  const from = source.fetchNext;
  const fresh = messages.filter(({ offset }) => Number(offset) >= from);
  const last = fresh.at(-1);
  if (last) source.fetchNext = Number(last.offset) + 1;
  source.take(fresh, Number(highWatermark));
};
