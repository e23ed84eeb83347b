import { setImmediate as nextTurn } from 'node:timers/promises';
import type { GroupOptions, LogRecord, ShardHandler, TopicName } from './port.ts';
import { Bell, settledWithin } from './wait.ts';

/** Wait before the same records are delivered again, in milliseconds: the first, doubling to the last. */
export const redeliveryMs = { first: 100, last: 5_000 } as const;

/** A partition as a run sees it. */
export interface RunSlot {
  readonly topic: TopicName;
  readonly partition: number;
  /** Next free offset, or the end of what was fetched. */
  readonly next: number;
  /** No more is fetched until something is taken. */
  readonly full?: boolean;
  /** Called when `next` has grown. */
  readonly wakers: Set<() => void>;
}

export interface ShardRunDeps<S extends RunSlot> {
  shard: number;
  slots: readonly S[];
  handler: ShardHandler;
  maxBatchRecords: number;
  gather: GroupOptions['gather'];
  closeGraceMs: number;
  /** Next offset of the group in a slot. */
  position(slot: S): number;
  commit(slot: S, next: number, records: number): void;
  /** Adds up to `limit` records of a slot to `into`. */
  read(slot: S, fromOffset: number, limit: number, into: LogRecord[]): void | Promise<void>;
  report(fault: unknown, doing: string): void;
}

/**
 * Time after which the run lets the event loop turn, in milliseconds: records from memory and a handler that answers at
 * once would otherwise follow each other in one turn for as long as there are any.
 */
const maxTurnMs = 4;

interface Batch<S> {
  records: LogRecord[];
  /** Where each slot stands after it. */
  ends: { slot: S; next: number; count: number }[];
}

/**
 * One member's time with one shard: assigned, batch after batch, revoked. Positions live in the group and move only
 * while this run is not void, so a handler that answers after its shard has gone commits nothing.
 */
export class ShardRun<S extends RunSlot> {
  readonly #deps: ShardRunDeps<S>;
  readonly #done: Promise<void>;
  /** Rung when there are records, and at the stop. */
  readonly #bell = new Bell();
  #batch: AbortController | undefined;
  readonly #assigning = new AbortController();
  #stopping = false;
  #void = false;
  /** Slot that comes first in the next batch, so that a busy one does not starve the others. */
  #turn = 0;
  #taken = false;
  /** When a batch was last done, or nothing waited, on the monotonic clock. */
  #progressAtMs = performance.now();

  constructor(deps: ShardRunDeps<S>) {
    this.#deps = deps;
    for (const slot of deps.slots) slot.wakers.add(this.#bell.ring);
    this.#done = this.#run();
  }

  /** The handler is still taking the shard over, which may take its time. */
  get takingOver(): boolean {
    return !this.#taken;
  }

  /** How long records have waited and none was done, in milliseconds. */
  get stuckMs(): number {
    const { slots, position } = this.#deps;
    return this.#taken && slots.some((slot) => position(slot) < slot.next) ? performance.now() - this.#progressAtMs : 0;
  }

  /**
   * Ends the run; resolves when the next owner may start. `drain` lets the batch in flight finish and count, `revoke`
   * voids it at once. Either waits `closeGraceMs` at most, for a handler may never answer.
   */
  async stop(how: 'drain' | 'revoke'): Promise<void> {
    const { slots, handler, shard, closeGraceMs, report } = this.#deps;
    this.#stopping = true;
    this.#assigning.abort();
    if (how === 'revoke') this.#lose();
    this.#bell.ring();
    const ended = await settledWithin(this.#done, closeGraceMs);
    if (!ended) report(new Error(`the handler did not end within ${closeGraceMs} ms`), 'stop');
    this.#lose();
    for (const slot of slots) slot.wakers.delete(this.#bell.ring);
    await settledWithin(
      this.#attempt('revoked', () => handler.revoked(shard)),
      closeGraceMs,
    );
  }

  #lose(): void {
    this.#void = true;
    this.#batch?.abort();
  }

  async #run(): Promise<void> {
    const { handler, shard, slots, position } = this.#deps;
    await this.#untilDone('assigned', () => {
      const offsets = slots.map((slot) => ({ topic: slot.topic, partition: slot.partition, next: position(slot) }));
      return handler.assigned(shard, offsets, this.#assigning.signal);
    });
    this.#taken = true;
    let turnAtMs = performance.now();
    this.#progressAtMs = turnAtMs;
    let batchAtMs = Number.NEGATIVE_INFINITY;
    while (!this.#stopping) {
      const gatherMs = this.#gatherMs(batchAtMs);
      if (gatherMs > 0) {
        await this.#bell.heard(gatherMs);
        turnAtMs = performance.now();
        continue;
      }
      let batch: Batch<S> = { records: [], ends: [] };
      await this.#untilDone('read', async () => {
        batch = await this.#collect();
      });
      if (this.#stopping) return;
      if (batch.records.length === 0) {
        await this.#bell.heard();
        turnAtMs = performance.now();
        this.#progressAtMs = turnAtMs;
        continue;
      }
      batchAtMs = performance.now();
      await this.#deliver(batch);
      if (performance.now() - turnAtMs > maxTurnMs) {
        await nextTurn();
        turnAtMs = performance.now();
      }
    }
  }

  /** How much longer what is there waits for more; 0: not at all. */
  #gatherMs(batchAtMs: number): number {
    const { gather, slots, position, maxBatchRecords } = this.#deps;
    if (!gather) return 0;
    let records = 0;
    for (const slot of slots) {
      const waiting = slot.next - position(slot);
      if (slot.full || (waiting > 0 && !gather.topics.includes(slot.topic))) return 0;
      records += waiting;
    }
    return records === 0 || records >= maxBatchRecords ? 0 : batchAtMs + gather.ms - performance.now();
  }

  async #deliver({ records, ends }: Batch<S>): Promise<void> {
    const { handler, shard, commit } = this.#deps;
    const done = await this.#untilDone('batch', () => {
      this.#batch = new AbortController();
      return handler.batch(shard, records, this.#batch.signal);
    });
    this.#batch = undefined;
    if (!done || this.#void) return;
    this.#progressAtMs = performance.now();
    for (const end of ends) commit(end.slot, end.next, end.count);
  }

  /** Up to `maxBatchRecords`, shared fairly among the slots that have some. */
  async #collect(): Promise<Batch<S>> {
    const { slots, maxBatchRecords, position, read } = this.#deps;
    const batch: Batch<S> = { records: [], ends: [] };
    const turn = this.#turn++ % slots.length;
    const waiting = [...slots.slice(turn), ...slots.slice(0, turn)].filter((slot) => position(slot) < slot.next);
    for (const [i, slot] of waiting.entries()) {
      const before = batch.records.length;
      const part = Math.ceil((maxBatchRecords - before) / (waiting.length - i));
      if (part === 0) break;
      // Only what memory does not hold is awaited.
      const reading = read(slot, position(slot), part, batch.records);
      if (reading !== undefined) await reading;
      const count = batch.records.length - before;
      // Retention may delete between the look and the read; the next look knows.
      if (count > 0) batch.ends.push({ slot, count, next: (batch.records.at(-1) as LogRecord).offset + 1 });
    }
    return batch;
  }

  /** Tries until it works or the run stops; true when it worked. */
  async #untilDone(doing: string, work: () => Promise<void>): Promise<boolean> {
    for (let waitMs: number = redeliveryMs.first; ; waitMs = Math.min(waitMs * 2, redeliveryMs.last)) {
      if (await this.#attempt(doing, work)) return true;
      const untilMs = performance.now() + waitMs;
      // New records ring too; they don't shorten the wait.
      while (!this.#stopping && performance.now() < untilMs) await this.#bell.heard(untilMs - performance.now());
      if (this.#stopping) return false;
    }
  }

  async #attempt(doing: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (thrown) {
      // What fails because its shard was taken away is no fault.
      const ended = this.#void || (doing === 'assigned' && this.#stopping);
      if (!ended || doing === 'revoked') this.#deps.report(thrown, doing);
      return false;
    }
  }
}
