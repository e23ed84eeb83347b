import { CaasError, type Clock, toCaasError } from '@caas/kit';
import type { SqliteHost } from '@caas/sqlite';
import type { LogPosition, LogRecord, NewRecord } from './port.ts';
import { encodedBytesAtMost, encodeRecord, metaOf } from './record-codec.ts';
import type { Slot, SlotTable } from './slots.ts';
import type { AppendArgs, LogThread } from './sqlite-event-log-worker.ts';

/** Bytes that may wait for the disk, the flush in flight included. */
export const defaultMaxPendingBytes = 32 * 1024 * 1024;
/** Bytes one transaction takes; what is beyond waits for the next, so that a burst does not make all wait for all. */
const maxFlushBytes = 4 * 1024 * 1024;
/** Bytes after which a row ends and another starts; a reader reads whole rows. */
const maxRowBytes = 128 * 1024;

interface AppendCall {
  records: LogRecord[];
  /** Key and headers of each record, encoded. */
  metas: string[];
  bytes: number;
  resolve(positions: LogPosition[]): void;
  reject(error: CaasError): void;
}

/** New records of a slot, following on each other and on what was there. */
export interface SlotNews {
  slot: Slot;
  records: LogRecord[];
}

/** A slot's part of a flush. */
interface Packed extends SlotNews {
  metas: string[];
}

export interface AppendQueueDeps {
  host: SqliteHost<LogThread>;
  slots: SlotTable;
  clock: Clock;
  maxPendingBytes: number;
  /** Takes the records that became durable, before their appenders learn of it. */
  keep(news: readonly SlotNews[]): void;
  /** Wakes who waits for records, after their appenders learned of it, in the same turn. */
  announce(news: readonly SlotNews[]): void;
  /** Reads records of a slot back; for what a flush that seemed to fail has written after all. */
  readBack(slot: Slot, fromOffset: number, toOffset: number): Promise<LogRecord[]>;
}

/**
 * Group commit: what one event-loop turn appends, and all that comes while a flush is in flight, goes to disk as one
 * transaction. One flush in flight, so a slot's offsets are simply counted on.
 */
export class AppendQueue {
  readonly #deps: AppendQueueDeps;
  #calls: AppendCall[] = [];
  #pendingBytes = 0;
  /** A flush is scheduled or in flight. */
  #busy = false;
  /** The last flush failed, so what is on disk is not known. */
  #inDoubt = false;
  #closed = false;
  #whenIdle: (() => void)[] = [];

  constructor(deps: AppendQueueDeps) {
    this.#deps = deps;
  }

  append(input: readonly NewRecord[]): Promise<LogPosition[]> {
    try {
      if (this.#closed) throw new CaasError('DRAINING', 'the log is closing');
      if (input.length === 0) return Promise.resolve([]);
      const { records, metas, bytes } = this.#accept(input);
      if (this.#pendingBytes + bytes > this.#deps.maxPendingBytes) {
        const details = { limit: 'maxPendingBytes', value: String(this.#deps.maxPendingBytes) };
        throw new CaasError('OVERLOADED', 'too much waits for the log', { details });
      }
      this.#pendingBytes += bytes;
      if (!this.#busy) this.#schedule();
      return new Promise((resolve, reject) => {
        this.#calls.push({ records, metas, bytes, resolve, reject });
      });
    } catch (thrown) {
      return Promise.reject(toCaasError(thrown));
    }
  }

  /** Refuses further appends; resolves when those made have an answer. */
  close(): Promise<void> {
    this.#closed = true;
    if (!this.#busy) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve);
    });
  }

  #accept(input: readonly NewRecord[]): { records: LogRecord[]; metas: string[]; bytes: number } {
    const records: LogRecord[] = [];
    const metas: string[] = [];
    let bytes = 0;
    for (const { topic, key, value, headers } of input) {
      const { partition } = this.#deps.slots.ofKey(topic, key);
      const record = { topic, key, value, headers, partition, offset: 0, appendedAtMs: 0 };
      const meta = metaOf(record);
      records.push(record);
      metas.push(meta);
      bytes += encodedBytesAtMost(meta, value);
    }
    return { records, metas, bytes };
  }

  #schedule(): void {
    this.#busy = true;
    // After the turn's I/O callbacks, so that whatever they append goes along.
    setImmediate(() => {
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const calls = this.#take();
    try {
      if (this.#inDoubt) await this.#resync().catch(notWritten);
      const packed = this.#group(calls);
      const args = pack(packed, calls, this.#deps.clock.now());
      this.#inDoubt = true;
      await this.#deps.host.call('append', args, [args.bytes]);
      this.#inDoubt = false;
      this.#settle(calls, packed);
    } catch (thrown) {
      const error = toCaasError(thrown);
      for (const call of calls) call.reject(error);
      for (const call of calls) this.#pendingBytes -= call.bytes;
    }
    if (this.#calls.length > 0) this.#schedule();
    else this.#idle();
  }

  #idle(): void {
    this.#busy = false;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  #take(): AppendCall[] {
    const calls = this.#calls;
    let bytes = 0;
    let count = 0;
    while (count < calls.length && (count === 0 || bytes < maxFlushBytes))
      bytes += (calls[count++] as AppendCall).bytes;
    this.#calls = calls.slice(count);
    return count === calls.length ? calls : calls.slice(0, count);
  }

  /** Gives each record its offset and lays the records of each slot side by side. */
  #group(calls: readonly AppendCall[]): Packed[] {
    const bySlot = new Map<Slot, Packed>();
    for (const call of calls) {
      for (let i = 0; i < call.records.length; i += 1) {
        const record = call.records[i] as LogRecord;
        const slot = this.#deps.slots.ofPartition(record.topic, record.partition);
        let packed = bySlot.get(slot);
        if (!packed) {
          packed = { slot, records: [], metas: [] };
          bySlot.set(slot, packed);
        }
        record.offset = slot.next + packed.records.length;
        packed.records.push(record);
        packed.metas.push(call.metas[i] as string);
      }
    }
    return [...bySlot.values()];
  }

  #settle(calls: readonly AppendCall[], news: readonly SlotNews[]): void {
    this.#deps.keep(news);
    for (const call of calls) {
      this.#pendingBytes -= call.bytes;
      call.resolve(call.records.map(({ partition, offset }) => ({ partition, offset })));
    }
    queueMicrotask(() => this.#deps.announce(news));
  }

  /** A failed flush may have been written all the same (a late answer); its records are then as real as any. */
  async #resync(): Promise<void> {
    const { host, slots, readBack, keep, announce } = this.#deps;
    for (const state of await host.call('layout', undefined)) {
      const slot = slots.ofPartition(state.topic, state.partition);
      if (state.next <= slot.next) continue;
      const news = [{ slot, records: await readBack(slot, slot.next, state.next) }];
      keep(news);
      announce(news);
    }
    this.#inDoubt = false;
  }
}

/** The file's state could not be read, so nothing was sent to it. */
const notWritten = (thrown: unknown): never => {
  throw new CaasError('UNAVAILABLE', 'the log does not answer', { cause: thrown });
};

const pack = (
  packed: readonly Packed[],
  calls: readonly AppendCall[],
  appendedAtMs: number,
): AppendArgs & { bytes: ArrayBuffer } => {
  // Not from the pool: the buffer moves to the thread whole.
  const bytes = Buffer.allocUnsafeSlow(calls.reduce((sum, call) => sum + call.bytes, 0));
  const rows: number[] = [];
  let at = 0;
  for (const { slot, records, metas } of packed) {
    let rowFrom = at;
    let rowBase = slot.next;
    for (let i = 0; i < records.length; i += 1) {
      const record = records[i] as LogRecord;
      record.appendedAtMs = appendedAtMs;
      if (at - rowFrom >= maxRowBytes) {
        rows.push(slot.id, rowBase, record.offset - rowBase, rowFrom, at);
        rowFrom = at;
        rowBase = record.offset;
      }
      at = encodeRecord(bytes, at, record.key.length, metas[i] as string, record.value);
    }
    rows.push(slot.id, rowBase, slot.next + records.length - rowBase, rowFrom, at);
  }
  return { bytes: bytes.buffer, rows, appendedAtMs };
};
