import { setTimeout as sleep } from 'node:timers/promises';
import { CaasError, type Clock, type Logger, type Runnable } from '@caas/kit';
import type { GrpcClient } from '@caas/kit/grpc';
import { type DataKey, type KeyServiceService, KeyState } from '@caas/proto/caas/crypto/v1/key_service';
import { Asks } from './asks.ts';
import { awakeClock } from './awake-clock.ts';
import { type HeldKey, HeldKeys } from './held-keys.ts';
import { rewatchMs } from './limits.ts';

/** The service keys come from. */
export type KeySource = Pick<GrpcClient<typeof KeyServiceService>, 'getCurrentKeys' | 'openKeys' | 'watchDestroyed'>;

export interface KeyRingOptions {
  source: KeySource;
  /** Name of this holder, for the log of the service. */
  holder: string;
  logger: Logger;
  /** For tests. */
  clock?: Clock;
}

/** What became of a key: in hand, gone for good, or none that the tenant ever had. */
export type KeyOutcome = HeldKey | 'destroyed' | 'unknown';

const away = (cause?: unknown): CaasError =>
  new CaasError('UNAVAILABLE', 'the keys of content are not at hand', { cause });

/**
 * Data keys, held unwrapped for a while. Those that are destroyed are dropped when the service says so; while it does not say
 * anything, the ring goes on for the grace it was given, then uses nothing until it hears again. It asks for nothing before
 * somebody wants a key. `run` follows the service.
 */
export class KeyRing implements Runnable {
  readonly name = 'key ring';
  readonly #source: KeySource;
  readonly #holder: string;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #keys = new HeldKeys();
  readonly #currents = new Asks<KeyOutcome>((tenantId, ids) => this.#askCurrent(tenantId, ids));
  readonly #opens = new Asks<KeyOutcome>((tenantId, ids) => this.#askOpen(tenantId, ids));
  readonly #wanted = Promise.withResolvers<void>();
  /** Settles when the watch has said its first word, or has failed. */
  readonly #first = Promise.withResolvers<void>();
  /** What came of the watch last. */
  #outcome: Promise<void> = this.#first.promise;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #graceMs = 0;
  #asOfMs = 0;
  /** Counts how often everything was dropped: what was asked for before is not taken after. */
  #clears = 0;

  constructor({ source, holder, logger, clock = awakeClock() }: KeyRingOptions) {
    this.#source = source;
    this.#holder = holder;
    this.#logger = logger;
    this.#clock = clock;
    this.#first.promise.catch(() => undefined);
  }

  /** Keys held. */
  get size(): number {
    return this.#keys.size;
  }

  /** The key new content of the user is sealed under, when it is in hand; fetched anew in time while it is used. */
  held(tenantId: string, userId: string): HeldKey | undefined {
    const nowMs = this.#clock.now();
    if (!this.#usable(nowMs)) return undefined;
    const found = this.#keys.current(tenantId, userId, nowMs);
    if (found?.stale) this.#currents.ask(tenantId, userId).catch(() => undefined);
    return found?.key;
  }

  /**
   * The same, fetched where it is not in hand: 'destroyed' when the user's keys were, and there will be no other. Asks of a turn
   * go together. Rejects UNAVAILABLE when the service does not answer, OVERLOADED when too many ask.
   */
  async current(tenantId: string, userId: string): Promise<HeldKey | 'destroyed'> {
    const held = this.held(tenantId, userId);
    if (held) return held;
    if (this.#keys.isUserDestroyed(tenantId, userId)) return 'destroyed';
    const outcome = await this.#currents.ask(tenantId, userId);
    if (outcome === 'unknown') throw away();
    return outcome;
  }

  /** What is known of a key without asking. */
  heldById(tenantId: string, keyId: string): HeldKey | 'destroyed' | undefined {
    const nowMs = this.#clock.now();
    const found = this.#keys.byId(tenantId, keyId, nowMs);
    // That it is destroyed stays true whatever we hear.
    return found === 'destroyed' || this.#usable(nowMs) ? found : undefined;
  }

  /** What became of keys, by id; asked for where they are not in hand. Rejects as `current` does. */
  async open(tenantId: string, keyIds: Iterable<string>): Promise<Map<string, KeyOutcome>> {
    const outcomes = new Map<string, KeyOutcome | Promise<KeyOutcome>>();
    for (const keyId of keyIds)
      if (!outcomes.has(keyId)) outcomes.set(keyId, this.heldById(tenantId, keyId) ?? this.#opens.ask(tenantId, keyId));
    return new Map(await Promise.all([...outcomes].map(async ([keyId, outcome]) => [keyId, await outcome] as const)));
  }

  /** Follows the service until the signal, from when the first key is wanted on. */
  async run(signal: AbortSignal): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([this.#wanted.promise, stopped]);
    while (!signal.aborted) {
      await this.#watch(signal).catch((error: unknown) => {
        if (signal.aborted) return;
        this.#logger.warn({ err: error }, 'destroyed keys are not followed; trying again');
        this.#tried(Promise.reject(away(error)));
      });
      if (signal.aborted) break;
      await sleep(rewatchMs, undefined, { signal }).catch(() => undefined);
    }
    this.#tried(Promise.reject(away()));
    this.#graceMs = 0;
    this.#clear();
  }

  #usable(nowMs: number): boolean {
    if (nowMs - this.#heardAtMs < this.#graceMs) return true;
    if (this.#keys.size > 0) this.#clear();
    return false;
  }

  /** What came of the watch last is what all are told until it is tried again: who asks waits for the first time only. */
  #tried(outcome: Promise<void>): void {
    outcome.catch(() => undefined);
    this.#first.resolve(outcome);
    this.#outcome = outcome;
  }

  #clear(): void {
    this.#clears += 1;
    this.#keys.clear();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.now();
    const goesOn = this.#usable(nowMs);
    if (!goesOn) this.#clear();
    const afterMs = goesOn ? this.#asOfMs : 0;
    const silence = new AbortController();
    let heardAtMs = nowMs;
    let firstSaidAtMs: number | undefined;
    const watchdog = setInterval(() => {
      // The service says something every third of the grace; a first word has its time, too.
      if (this.#clock.now() - heardAtMs > Math.max(this.#graceMs, firstWordMs)) silence.abort(away('silence'));
    }, watchdogMs);
    try {
      const request = { holder: this.#holder, afterMs };
      const options = { signal: AbortSignal.any([signal, silence.signal]) };
      for await (const { keys, holderGraceMs, asOfMs, saidAtMs } of this.#source.watchDestroyed(request, options)) {
        heardAtMs = this.#clock.now();
        for (const { tenantId, keyId } of keys) this.#keys.destroyed(tenantId, keyId);
        if (!this.#usable(heardAtMs)) this.#clear();
        firstSaidAtMs ??= saidAtMs;
        // No later than it was said, by our clock: it may have been long under way, or waited for this process to go on.
        this.#heardAtMs = Math.min(heardAtMs, nowMs + saidAtMs - firstSaidAtMs);
        this.#graceMs = holderGraceMs;
        this.#asOfMs = asOfMs;
        if (!this.#usable(heardAtMs)) throw away('what is said comes too late');
        this.#tried(Promise.resolve());
      }
      throw away();
    } finally {
      clearInterval(watchdog);
    }
  }

  /** Nothing is fetched that could not be followed. */
  async #following(): Promise<{ clears: number }> {
    this.#wanted.resolve();
    if (!this.#usable(this.#clock.now())) await this.#outcome;
    return { clears: this.#clears };
  }

  async #askCurrent(tenantId: string, userIds: readonly string[]): Promise<KeyOutcome[]> {
    const { clears } = await this.#following();
    const { keys, holdMs } = await this.#source.getCurrentKeys({ tenantId, userIds: [...userIds] });
    return keys.map((key) => {
      if (key.state === KeyState.KEY_STATE_DESTROYED) this.#keys.userDestroyed(tenantId, key.userId);
      return this.#taken(tenantId, key, holdMs, clears);
    });
  }

  async #askOpen(tenantId: string, keyIds: readonly string[]): Promise<KeyOutcome[]> {
    const { clears } = await this.#following();
    const { keys, holdMs } = await this.#source.openKeys({ tenantId, keyIds: [...keyIds] });
    return keys.map((key) => {
      if (key.state === KeyState.KEY_STATE_DESTROYED) this.#keys.destroyed(tenantId, key.keyId);
      return this.#taken(tenantId, key, holdMs, clears);
    });
  }

  #taken(tenantId: string, { keyId, userId, state, key: bytes }: DataKey, holdMs: number, clears: number): KeyOutcome {
    if (state === KeyState.KEY_STATE_DESTROYED) return 'destroyed';
    if (bytes.length === 0) return 'unknown';
    const nowMs = this.#clock.now();
    if (!this.#usable(nowMs) || this.#clears !== clears) {
      bytes.fill(0);
      throw away();
    }
    const isCurrent = state === KeyState.KEY_STATE_CURRENT;
    return this.#keys.hold(tenantId, { keyId, userId, bytes, isCurrent }, { nowMs, holdMs }) ?? 'destroyed';
  }
}

/** How long the first word of a watch may take, in milliseconds. */
const firstWordMs = 5_000;
/** How often silence is looked for, in milliseconds. */
const watchdogMs = 100;
