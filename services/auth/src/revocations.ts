import type { EndedCursor, SessionOfUser, SessionStore } from '@caas/account-store';
import { type Clock, fail } from '@caas/kit';
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

interface Watcher {
  waiting: SessionOfUser[];
  /** More than `maxWaitingRevocations` came unread; what waited was dropped. */
  overrun: boolean;
  wake(): void;
}

/** Tells watchers which sessions end: those of this instance within the turn, those of others when a poll finds them. */
export class Revocations {
  readonly #store: SessionStore;
  readonly #clock: Clock;
  readonly #onEnded: (sessions: readonly SessionOfUser[]) => void;
  readonly #watchers = new Set<Watcher>();
  readonly #told = new Recent<true>({ maxEntries: maxToldRevocations, ttlMs: 4 * revocationOverlapMs });
  /** When the store was last asked with success. */
  #lookedAtMs: number;

  /** `onEnded` hears of every end before the watchers do. */
  constructor(store: SessionStore, clock: Clock, onEnded: (sessions: readonly SessionOfUser[]) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#onEnded = onEnded;
    this.#lookedAtMs = clock.now();
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
    for (const watcher of this.#watchers) {
      watcher.overrun ||= watcher.waiting.length + news.length > maxWaitingRevocations;
      watcher.waiting = watcher.overrun ? [] : watcher.waiting.concat(news);
      watcher.wake();
    }
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
    if (this.#watchers.size >= maxWatchers) {
      fail('OVERLOADED', 'too many watchers', { details: { limit: 'maxWatchers', value: String(maxWatchers) } });
    }
    const watcher: Watcher = { waiting: [], overrun: false, wake: () => undefined };
    this.#watchers.add(watcher);
    const wake = () => watcher.wake();
    signal.addEventListener('abort', wake);
    try {
      yield { ended: [], blind: this.#blind };
      while (!signal.aborted) {
        if (watcher.waiting.length === 0 && !watcher.overrun) await this.#wait(watcher, signal);
        if (watcher.overrun) fail('SLOW_CONSUMER', 'revocations were not read in time');
        yield { ended: watcher.waiting.splice(0, revocationPage), blind: this.#blind };
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#watchers.delete(watcher);
    }
  }

  get #blind(): boolean {
    return this.#clock.now() - this.#lookedAtMs > maxBlindMs;
  }

  async #wait(watcher: Watcher, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      watcher.wake = resolve;
      timer = setTimeout(resolve, signOfLifeMs);
    });
    clearTimeout(timer);
  }
}
