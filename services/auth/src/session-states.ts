import type { SessionKey, SessionOfUser, SessionStore } from '@caas/account-store';
import type { Clock, Reason } from '@caas/kit';
import { maxRememberedSessions, sessionFreshMs } from './limits.ts';
import { Recent } from './recent.ts';

type State = { live: true; expiresAtMs: number } | { live: false; reason: Reason };

const keyOf = (key: SessionKey): string => `${key.tenantId}/${key.sessionId}`;

/**
 * Which sessions are live, remembered for `sessionFreshMs`. What this instance ended it refuses at once; what another one
 * ended it refuses when it hears of it, and after `sessionFreshMs` in any case.
 */
export class SessionStates {
  readonly #store: SessionStore;
  readonly #clock: Clock;
  readonly #states = new Recent<State>({ maxEntries: maxRememberedSessions, ttlMs: sessionFreshMs });

  constructor(store: SessionStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Why each session may not be used, undefined where it may. Rejects UNAVAILABLE when the store does not answer. */
  async refusals(keys: readonly SessionKey[]): Promise<(Reason | undefined)[]> {
    const nowMs = this.#clock.now();
    const states = keys.map((key) => this.#remembered(key, nowMs));
    const missing = new Map(keys.flatMap((key, i) => (states[i] ? [] : [[keyOf(key), key]])));
    const read = await this.#read([...missing.values()], nowMs);
    return keys.map((key, i) => {
      const state = states[i] ?? read.get(keyOf(key));
      return state?.live ? undefined : (state?.reason ?? 'UNAUTHENTICATED');
    });
  }

  /** Sessions that have ended, from now on refused here. */
  ended(sessions: readonly SessionOfUser[]): void {
    const nowMs = this.#clock.now();
    for (const session of sessions) this.#states.set(keyOf(session), { live: false, reason: 'SESSION_REVOKED' }, nowMs);
  }

  #remembered(key: SessionKey, nowMs: number): State | undefined {
    const state = this.#states.get(keyOf(key), nowMs);
    // It may have been refreshed since, so ask again.
    return state?.live && state.expiresAtMs <= nowMs ? undefined : state;
  }

  async #read(keys: readonly SessionKey[], nowMs: number): Promise<Map<string, State>> {
    if (keys.length === 0) return new Map();
    const sessions = await this.#store.getMany(keys);
    return new Map(
      keys.map((key, i) => {
        const session = sessions[i];
        const read: State =
          session === undefined
            ? { live: false, reason: 'UNAUTHENTICATED' }
            : session.endedAtMs !== undefined || session.expiresAtMs <= nowMs
              ? { live: false, reason: 'SESSION_REVOKED' }
              : { live: true, expiresAtMs: session.expiresAtMs };
        // Ended while we were reading: the end stands, what was read is older.
        const meanwhile = this.#states.get(keyOf(key), nowMs);
        const state = meanwhile && !meanwhile.live ? meanwhile : read;
        this.#states.set(keyOf(key), state, nowMs);
        return [keyOf(key), state];
      }),
    );
  }
}
