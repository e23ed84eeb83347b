import { KeyedTimers } from './keyed-timers.ts';
import type { Clock } from './ports.ts';

export interface SyncGraceOptions {
  readonly clock: Clock;
  /** First wait, and the greatest one, in milliseconds. */
  readonly graceMs: number;
  readonly maxGraceMs: number;
  /** Asks for a delta of a conversation. */
  readonly sync: (conversationId: string) => void;
}

/** Waits of this many greatest ones without a sync end a series of them. */
const quietGraces = 5;

/**
 * A head may overtake the messages it tells of by a little, so a conversation that is behind waits for them before it
 * asks for a delta. Each sync in a series doubles the wait: where messages never come by themselves, syncs stay few.
 */
export class SyncGrace {
  readonly #options: SyncGraceOptions;
  readonly #timers: KeyedTimers;
  /** Syncs in the present series, and when the last one was. */
  readonly #series = new Map<string, { syncs: number; atMs: number }>();

  constructor(options: SyncGraceOptions) {
    this.#options = options;
    this.#timers = new KeyedTimers(options.clock);
  }

  /** Called after each step of a conversation. */
  check(conversationId: string, behind: boolean): void {
    if (!behind) {
      this.#timers.cancel(conversationId);
      return;
    }
    if (this.#timers.has(conversationId)) return;
    const { clock, graceMs, maxGraceMs, sync } = this.#options;
    const last = this.#series.get(conversationId);
    const syncs = last && clock.now() - last.atMs <= quietGraces * maxGraceMs ? last.syncs : 0;
    this.#timers.start(conversationId, Math.min(graceMs * 2 ** syncs, maxGraceMs), () => {
      this.#series.set(conversationId, { syncs: syncs + 1, atMs: clock.now() });
      sync(conversationId);
    });
  }

  forget(conversationId: string): void {
    this.#timers.cancel(conversationId);
    this.#series.delete(conversationId);
  }

  stop(): void {
    this.#timers.stop();
  }
}
