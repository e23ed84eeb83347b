import { CaasError } from '@caas/kit';
import type { LogRecord } from '../port.ts';
import { maxReadRecords } from '../sqlite-event-log.ts';
import { Code, check } from './codes.ts';
import { fetchArgs } from './fetcher.ts';
import { type KafkaTopic, logicalOffset, physicalOffset, recordOf } from './layout.ts';
import type { KafkaLink } from './link.ts';
import { listOffsets, nameOf, withLeaders } from './offsets.ts';
import type { FetchedMessage } from './protocol.ts';

/** Reads partitions at any place, without a group. */
export class KafkaReader {
  readonly #link: KafkaLink;

  constructor(link: KafkaLink) {
    this.#link = link;
  }

  /** See EventLog.read. Rejects UNAVAILABLE when the cluster does not answer. */
  read(topic: KafkaTopic, partition: number, fromOffset: number, limit: number): Promise<LogRecord[]> {
    return asked(this.#read(topic, partition, fromOffset, Math.min(limit, maxReadRecords)));
  }

  /** See EventLog.bounds. Rejects UNAVAILABLE when the cluster does not answer. */
  async bounds(topic: KafkaTopic, partition: number): Promise<{ first: number; next: number }> {
    const { first, next } = await asked(this.#bounds(topic, partition));
    return { first, next: logicalOffset(next, topic.generation) };
  }

  async #read(topic: KafkaTopic, partition: number, fromOffset: number, limit: number): Promise<LogRecord[]> {
    const { first, next } = await this.#bounds(topic, partition);
    const records: LogRecord[] = [];
    let at = Math.max(physicalOffset(fromOffset), first);
    while (records.length < limit && at < next) {
      const fetched = await withLeaders(this.#link, () => this.#fetch(topic.physical, partition, at));
      const last = fetched.at(-1);
      // Trimmed since its bounds were asked for; the next read knows.
      if (!last) break;
      const fresh = fetched.filter(({ offset }) => Number(offset) >= at).slice(0, limit - records.length);
      for (const message of fresh) records.push(recordOf(topic.name, partition, message));
      at = Number(last.offset) + 1;
    }
    return records;
  }

  async #fetch(topic: string, partition: number, fetchNext: number): Promise<FetchedMessage[]> {
    const leader = this.#link.leader(topic, partition);
    check(leader === undefined ? Code.leaderNotAvailable : Code.none, 'fetch');
    const args = fetchArgs([{ topic, partition, fetchNext }], 0);
    const { errorCode, responses } = await this.#link.call(leader, 'Fetch', args);
    check(errorCode, 'fetch');
    const answer = responses[0]?.partitions[0];
    if (answer === undefined || answer.errorCode === Code.offsetOutOfRange) return [];
    check(answer.errorCode, 'fetch');
    return answer.messages;
  }

  async #bounds({ physical }: KafkaTopic, partition: number): Promise<{ first: number; next: number }> {
    const at = { topic: physical, partition };
    const [first, next] = await Promise.all([
      listOffsets(this.#link, [at], 'first'),
      listOffsets(this.#link, [at], 'next'),
    ]);
    return { first: first.get(nameOf(at)) as number, next: next.get(nameOf(at)) as number };
  }
}

const asked = async <T>(answer: Promise<T>): Promise<T> => {
  try {
    return await answer;
  } catch (cause) {
    throw new CaasError('UNAVAILABLE', 'the log does not answer', { cause });
  }
};
