import { toClientError } from './errors.ts';
import type { ClientLimits } from './limits.ts';
import type { Clock } from './ports.ts';

/** Share of a token's life after which it is renewed. */
const renewAtShare = 0.8;
/** Greatest delay a timer takes; longer ones fire at once. */
const maxTimerMs = 2 ** 31 - 1;

/** When a JWT expires (RFC 7519, `exp`), UTC milliseconds since 1970; undefined when it doesn't say. Verifies nothing. */
export const expiryOf = (token: string): number | undefined => {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const { exp } = JSON.parse(atob(payload)) as { exp?: unknown };
    return typeof exp === 'number' ? exp * 1_000 : undefined;
  } catch {
    return undefined;
  }
};

/** Runs the application's callback within a time, and turns its fault into a retryable error. */
export const within = async <T>(clock: Clock, ms: number, what: string, run: () => Promise<T>): Promise<T> => {
  let timer: unknown;
  const late = new Promise<never>((_resolve, reject) => {
    timer = clock.setTimeout(() => reject(new Error(`${what} did not answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([run(), late]);
  } catch (thrown) {
    throw toClientError(thrown, what);
  } finally {
    clock.clearTimeout(timer);
  }
};

/**
 * The access token: asked for once, used again for later connections while nodes take it, and renewed on the open
 * connection at 80 % of its life.
 */
export class TokenKeeper {
  readonly #getToken: () => Promise<string>;
  readonly #clock: Clock;
  readonly #limits: ClientLimits;
  #token: string | undefined;
  #timer: unknown;
  /** Counts schedules and stops; a renewal begun under an earlier one is of a connection that is gone. */
  #generation = 0;

  constructor(getToken: () => Promise<string>, clock: Clock, limits: ClientLimits) {
    this.#getToken = getToken;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** The token to connect with. Rejects with a retryable error when the application's callback fails. */
  async get(): Promise<string> {
    this.#token ??= await this.#fresh();
    return this.#token;
  }

  /** The token was refused, or never seen to work: the next connection takes a new one. */
  forget(): void {
    this.#token = undefined;
  }

  /** Renews on a connection, again and again, until `stop`; times by the node's clock. */
  schedule(nowMs: number, expiresAtMs: number, renew: (token: string) => Promise<unknown>): void {
    this.stop();
    const lifeMs = expiresAtMs - nowMs;
    if (lifeMs <= 0) return;
    const waitMs = Math.min(lifeMs * renewAtShare, maxTimerMs);
    this.#timer = this.#clock.setTimeout(() => {
      this.#renew(nowMs + waitMs, expiresAtMs, lifeMs, renew).catch(() => {});
    }, waitMs);
  }

  stop(): void {
    this.#generation++;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #renew(
    nowMs: number,
    expiresAtMs: number,
    lifeMs: number,
    renew: (token: string) => Promise<unknown>,
  ): Promise<void> {
    const generation = this.#generation;
    try {
      const token = await this.#fresh();
      if (generation !== this.#generation) return;
      await renew(token);
      if (generation !== this.#generation) return;
      this.#token = token;
      this.schedule(nowMs, expiryOf(token) ?? nowMs + lifeMs, renew);
    } catch {
      if (generation !== this.#generation) return;
      // Tried again at 80 % of what is left; at the end the node closes with TOKEN_EXPIRED, and a new connection follows.
      this.#token = undefined;
      if (expiresAtMs - nowMs > 1_000) this.schedule(nowMs, expiresAtMs, renew);
    }
  }

  #fresh(): Promise<string> {
    return within(this.#clock, this.#limits.tokenTimeoutMs, 'getToken', this.#getToken);
  }
}
