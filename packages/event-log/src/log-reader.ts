import type { SqliteHost } from '@caas/sqlite';
import type { MemoryTail } from './memory-tail.ts';
import type { LogRecord } from './port.ts';
import { decodeRow } from './record-codec.ts';
import type { Slot } from './slots.ts';
import type { LogThread } from './sqlite-event-log-worker.ts';

/** Bytes one read brings from the thread, but for the row that goes over it; a reader comes again for more. */
const maxReadBytes = 1024 * 1024;

/** Reads records: the newest from memory, at once; older ones through the thread. */
export class LogReader {
  readonly #host: SqliteHost<LogThread>;
  readonly #tail: MemoryTail;

  constructor(host: SqliteHost<LogThread>, tail: MemoryTail) {
    this.#host = host;
    this.#tail = tail;
  }

  /** Adds up to `limit` records from an offset on to `into`; at least one if there is one. A promise only when it must wait. */
  read(slot: Slot, fromOffset: number, limit: number, into: LogRecord[]): void | Promise<void> {
    if (fromOffset >= slot.next) return;
    if (!this.#tail.read(slot.id, fromOffset, limit, into)) return this.#readBack(slot, fromOffset, limit, into);
  }

  /** Reads all of [fromOffset, toOffset) from disk. */
  async readBack(slot: Slot, fromOffset: number, toOffset: number): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    for (let next = fromOffset; next < toOffset; next = (records.at(-1) as LogRecord).offset + 1) {
      const before = records.length;
      await this.#readBack(slot, next, toOffset - next, records);
      if (records.length === before) break;
    }
    return records;
  }

  async #readBack(slot: Slot, fromOffset: number, limit: number, into: LogRecord[]): Promise<void> {
    const rows = await this.#host.call('read', { slot: slot.id, fromOffset, limit, maxBytes: maxReadBytes });
    const end = into.length + limit;
    for (const { base, appendedAtMs, records } of rows)
      decodeRow(records, { topic: slot.topic, partition: slot.partition, base, appendedAtMs }, fromOffset, end, into);
  }
}
