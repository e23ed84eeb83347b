import type { EndedCursor, SessionOfUser, SessionStore } from '@caas/account-store';
import { type Clock, Watchers } from '@caas/kit';
import {
  maxBlindMs,
  maxToldRevocations,
  maxWaitingRevocations,
  maxWatchers,
  revocationOverlapMs,
  revocationPage,
  signOfLifeMs,
} from './limits.ts';
import { Recent } from './recent.ts';

export interface RevocationBatch {
  ended: readonly SessionOfUser[];
  /** The store has not been read for `maxBlindMs`: what other instances end is told when it is. */
  blind: boolean;
}

/** Tells watchers which sessions end: those of this instance within the turn, those of others when a poll finds them. */
export class Revocations {
  readonly #store: SessionStore;
  readonly #clock: Clock;
  readonly #onEnded: (sessions: readonly SessionOfUser[]) => void;
  readonly #watchers: Watchers<SessionOfUser>;
  readonly #told = new Recent<true>({ maxEntries: maxToldRevocations, ttlMs: 4 * revocationOverlapMs });
  /** When the store was last asked with success. */
  #lookedAtMs: number;

  /** `onEnded` hears of every end before the watchers do. */
  constructor(store: SessionStore, clock: Clock, onEnded: (sessions: readonly SessionOfUser[]) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#onEnded = onEnded;
    this.#lookedAtMs = clock.now();
    this.#watchers = new Watchers({
      maxWatchers,
      maxWaiting: maxWaitingRevocations,
      page: revocationPage,
      signOfLifeMs,
    });
  }

  /** Sessions that this instance has ended. */
  tell(sessions: readonly SessionOfUser[]): void {
    const nowMs = this.#clock.now();
    const news = sessions.filter(({ sessionId }) => {
      const known = this.#told.get(sessionId, nowMs);
      if (!known) this.#told.set(sessionId, true, nowMs);
      return !known;
    });
    if (news.length === 0) return;
    this.#onEnded(news);
    this.#watchers.tell(news);
  }

  /** Looks once for sessions that other instances ended. */
  async poll(): Promise<void> {
    const nowMs = this.#clock.now();
    const fromMs = Math.min(this.#lookedAtMs, nowMs) - revocationOverlapMs;
    let cursor: EndedCursor = { endedAtMs: fromMs, sessionId: '' };
    for (;;) {
      const page = await this.#store.endedAfter(cursor, revocationPage);
      this.tell(page);
      const last = page.at(-1);
      if (last) cursor = { endedAtMs: last.endedAtMs, sessionId: last.sessionId };
      if (page.length < revocationPage) break;
    }
    this.#lookedAtMs = nowMs;
  }

  /**
   * Batches of sessions that end from the call on; an empty one at once, and each `signOfLifeMs` while nothing happens.
   * Ends when the signal aborts. Throws OVERLOADED past `maxWatchers`, SLOW_CONSUMER when more than `maxWaitingRevocations`
   * wait to be read.
   */
  async *watch(signal: AbortSignal): AsyncGenerator<RevocationBatch> {
    for await (const ended of this.#watchers.watch(signal)) yield { ended, blind: this.#blind };
  }

  get #blind(): boolean {
    return this.#clock.now() - this.#lookedAtMs > maxBlindMs;
  }
}
