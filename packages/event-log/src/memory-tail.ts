import type { LogRecord } from './port.ts';

/** What a record takes in memory beside its value, in bytes; an estimate on the safe side. */
const recordOverheadBytes = 512;

interface Chunk {
  base: number;
  records: readonly LogRecord[];
  bytes: number;
}

/**
 * The newest records of every slot, so that readers at the tail never reach for the database. Bounded in bytes over all
 * slots; the oldest chunk goes first. What it holds of a slot is contiguous and ends at the slot's next offset.
 */
export class MemoryTail {
  readonly #maxBytes: number;
  readonly #slots = new Map<number, Chunk[]>();
  /** Slots in the order their chunks came. */
  #order: number[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Adds records that follow one another, durable by now. */
  push(slot: number, records: readonly LogRecord[]): void {
    const base = (records[0] as LogRecord).offset;
    let bytes = 0;
    for (const record of records) bytes += record.value.byteLength + recordOverheadBytes;
    const chunks = this.#slots.get(slot);
    if (chunks) chunks.push({ base, records, bytes });
    else this.#slots.set(slot, [{ base, records, bytes }]);
    this.#order.push(slot);
    this.#bytes += bytes;
    if (this.#bytes > this.#maxBytes) this.#evict();
  }

  /** Adds up to `limit` records from an offset on to `into`; false when the offset lies before what is held. */
  read(slot: number, fromOffset: number, limit: number, into: LogRecord[]): boolean {
    const chunks = this.#slots.get(slot);
    const first = chunks?.[0];
    if (!chunks || !first || fromOffset < first.base) return false;
    let index = chunks.length - 1;
    // Readers are near the end; walk back from there.
    while ((chunks[index] as Chunk).base > fromOffset) index -= 1;
    let wanted = limit;
    for (; index < chunks.length && wanted > 0; index += 1) {
      const { base, records } = chunks[index] as Chunk;
      const end = Math.min(records.length, Math.max(0, fromOffset - base) + wanted);
      for (let i = Math.max(0, fromOffset - base); i < end; i += 1) {
        into.push(records[i] as LogRecord);
        wanted -= 1;
      }
    }
    return true;
  }

  #evict(): void {
    // A quarter more than needed, so that arrays are not shifted on every append.
    const target = this.#maxBytes * 0.75;
    const dropped = new Map<number, number>();
    let gone = 0;
    while (this.#bytes > target && gone < this.#order.length) {
      const slot = this.#order[gone++] as number;
      const count = dropped.get(slot) ?? 0;
      this.#bytes -= this.#slots.get(slot)?.[count]?.bytes ?? 0;
      dropped.set(slot, count + 1);
    }
    this.#order = this.#order.slice(gone);
    for (const [slot, count] of dropped) this.#slots.set(slot, (this.#slots.get(slot) as Chunk[]).slice(count));
  }
}
