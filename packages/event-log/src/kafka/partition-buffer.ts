import type { LogRecord, TopicName } from '../port.ts';
import type { RunSlot } from '../shard-run.ts';
import type { FetchSource } from './fetcher.ts';
import { type KafkaTopic, physicalOffset, recordOf } from './layout.ts';
import type { FetchedMessage } from './protocol.ts';

/** Bytes of a partition that are held for its shard, but for an answer that goes over it. */
const maxBufferBytes = 1024 * 1024;

/** What was fetched of a partition and is not done yet, in order. */
export class PartitionBuffer implements RunSlot {
  readonly topic: TopicName;
  readonly partition: number;
  readonly wakers = new Set<() => void>();
  /** What the fetcher reads it by. */
  readonly source: FetchSource;
  /** Offset after what was fetched, as callers see it. */
  next: number;
  /** Kafka's offset of the first record that is not done. */
  done: number;
  /** What of it the group's coordinator has. */
  committed: number;
  #records: LogRecord[] = [];
  #bytes = 0;

  /** @param from offset of the first record to come, as callers see it. */
  constructor({ name, physical }: KafkaTopic, partition: number, from: number) {
    this.topic = name;
    this.partition = partition;
    this.next = from;
    this.done = physicalOffset(from);
    this.committed = this.done;
    this.source = {
      topic: physical,
      partition,
      fetchNext: this.done,
      wants: () => !this.full,
      take: (messages) => this.#take(messages),
    };
  }

  /** Offset of the first record that is not done, as callers see it. */
  get position(): number {
    return this.#records[0]?.offset ?? this.next;
  }

  get full(): boolean {
    return this.#bytes >= maxBufferBytes;
  }

  read(limit: number, into: LogRecord[]): void {
    for (let i = 0; i < Math.min(limit, this.#records.length); i += 1) into.push(this.#records[i] as LogRecord);
  }

  /** The first `count` records are done, and `next` is the offset after them. */
  finish(next: number, count: number): void {
    for (const record of this.#records.splice(0, count)) this.#bytes -= bytesOf(record);
    this.done = physicalOffset(next);
  }

  #take(messages: readonly FetchedMessage[]): void {
    if (messages.length === 0) return;
    for (const message of messages) {
      const record = recordOf(this.topic, this.partition, message);
      this.#bytes += bytesOf(record);
      this.#records.push(record);
      this.next = record.offset + 1;
    }
    for (const wake of this.wakers) wake();
  }
}

const bytesOf = ({ key, value }: LogRecord): number => key.length + value.byteLength;
