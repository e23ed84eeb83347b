import { type DestroyedCursor, dataKeyId, type UserKeyStore, type UserKeys } from '@caas/key-store';
import { type Clock, Watchers } from '@caas/kit';
import type { DestroyedKey, WatchDestroyedResponse } from '@caas/proto/caas/crypto/v1/key_service';
import {
  destroyedOverlapMs,
  destroyedPage,
  destroyedPollMs,
  maxBlindMs,
  maxWaitingDestroyed,
  maxWatchers,
} from './limits.ts';

/** Every key of a user, as destroyed. */
export const destroyedKeysOf = ({ tenantId, ref, userId, keys }: UserKeys): DestroyedKey[] =>
  keys.map(({ generation, destroyedAtMs }) => ({ tenantId, keyId: dataKeyId(ref, generation), destroyedAtMs, userId }));

/** Tells holders which keys were destroyed: those of this process within the turn, those of others when a poll finds them. */
export class Destructions {
  readonly #store: UserKeyStore;
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #watchers: Watchers<DestroyedKey>;
  /** Users whose destruction was told, with its time: a poll finds each more than once. */
  readonly #told = new Map<string, number>();
  /** When the store was last asked with success. */
  #lookedAtMs: number;

  constructor(store: UserKeyStore, clock: Clock, graceMs: number) {
    this.#store = store;
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#lookedAtMs = clock.now();
    this.#watchers = new Watchers({
      maxWatchers,
      maxWaiting: maxWaitingDestroyed,
      page: destroyedPage,
      signOfLifeMs: Math.floor(graceMs / 3),
      sighted: () => clock.now() - this.#lookedAtMs <= maxBlindMs,
    });
  }

  /**
   * From when on no holder uses a copy of a key that is destroyed now: a process that has not found it in the store by its next
   * polls falls silent, and whoever hears nothing has the grace.
   */
  goneEverywhereAtMs(): number {
    return this.#clock.now() + destroyedPollMs + maxBlindMs + this.#graceMs;
  }

  tell(users: readonly UserKeys[]): void {
    const news = users.filter(({ ref, destroyedAtMs }) => {
      const isNew = !this.#told.has(ref);
      this.#told.set(ref, destroyedAtMs);
      return isNew;
    });
    if (news.length > 0) this.#watchers.tell(news.flatMap(destroyedKeysOf));
  }

  /** Looks once for keys that other processes destroyed. */
  async poll(): Promise<void> {
    const nowMs = this.#clock.now();
    const fromMs = Math.min(this.#lookedAtMs, nowMs) - destroyedOverlapMs;
    for await (const page of this.#since(fromMs)) this.tell(page);
    for (const [ref, destroyedAtMs] of this.#told) if (destroyedAtMs < fromMs) this.#told.delete(ref);
    this.#lookedAtMs = nowMs;
  }

  /** What was destroyed after `afterMs` (0: nothing of the past), at once; then what is destroyed, and signs of life. */
  async *watch(afterMs: number, signal: AbortSignal): AsyncGenerator<WatchDestroyedResponse> {
    const past = async (): Promise<DestroyedKey[]> => {
      const keys: DestroyedKey[] = [];
      if (afterMs === 0) return keys;
      for await (const page of this.#since(afterMs - destroyedOverlapMs)) keys.push(...page.flatMap(destroyedKeysOf));
      return keys;
    };
    for await (const keys of this.#watchers.watch(signal, past))
      yield { keys, holderGraceMs: this.#graceMs, asOfMs: this.#lookedAtMs, saidAtMs: this.#clock.now() };
  }

  async *#since(fromMs: number): AsyncGenerator<UserKeys[]> {
    let cursor: DestroyedCursor = { destroyedAtMs: fromMs, ref: '' };
    for (;;) {
      const page = await this.#store.destroyedAfter(cursor, destroyedPage);
      yield page;
      const last = page.at(-1);
      if (last) cursor = { destroyedAtMs: last.destroyedAtMs, ref: last.ref };
      if (page.length < destroyedPage) return;
    }
  }
}
