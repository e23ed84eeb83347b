import type { LogRecord, TopicName } from '../port.ts';
import type { RunSlot } from '../shard-run.ts';
import type { FetchSource } from './fetcher.ts';
import { type KafkaTopic, physicalOffset, recordOf } from './layout.ts';
import type { FetchedMessage } from './protocol.ts';

/** Bytes of a partition that are held for its shard, but for an answer that goes over it. */
const maxBufferBytes = 1024 * 1024;

/** What was fetched of a partition and is not done yet, in order. */
export class PartitionBuffer implements FetchSource, RunSlot {
  /** Name in the cluster. */
  readonly topic: string;
  readonly partition: number;
  readonly wakers = new Set<() => void>();
  readonly #name: TopicName;
  fetchNext: number;
  /** Kafka's offset of the first record that is not done. */
  done: number;
  /** What of it the group's coordinator has. */
  committed: number;
  #records: LogRecord[] = [];
  #bytes = 0;

  constructor({ name, physical }: KafkaTopic, partition: number, from: number) {
    this.#name = name;
    this.topic = physical;
    this.partition = partition;
    this.fetchNext = from;
    this.done = from;
    this.committed = from;
  }

  /** Offset of the first record, as callers see it. */
  get position(): number {
    return this.#records[0]?.offset ?? 0;
  }

  get next(): number {
    return (this.#records.at(-1)?.offset ?? -1) + 1;
  }

  get full(): boolean {
    return this.#bytes >= maxBufferBytes;
  }

  wants(): boolean {
    return !this.full;
  }

  take(messages: readonly FetchedMessage[]): void {
    if (messages.length === 0) return;
    for (const message of messages) {
      const record = recordOf(this.#name, this.partition, message);
      this.#bytes += bytesOf(record);
      this.#records.push(record);
    }
    for (const wake of this.wakers) wake();
  }

  read(limit: number, into: LogRecord[]): void {
    for (let i = 0; i < Math.min(limit, this.#records.length); i += 1) into.push(this.#records[i] as LogRecord);
  }

  /** The first `count` records are done, and `next` is the offset after them. */
  finish(next: number, count: number): void {
    for (const record of this.#records.splice(0, count)) this.#bytes -= bytesOf(record);
    this.done = physicalOffset(next);
  }
}

const bytesOf = ({ key, value }: LogRecord): number => key.length + value.byteLength;
