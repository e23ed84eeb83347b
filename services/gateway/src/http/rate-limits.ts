import type { RateLimits, RateRule, RateVerdict } from '@caas/key-value';
import { CaasError } from '@caas/kit';
import type { Logger } from '@caas/kit/log';
import type { GatewayConfig } from '../config.ts';

export type RateName = Exclude<keyof GatewayConfig['rates'], 'windowMs'>;

/** How the client stands with the tightest limit a request was counted against. */
export interface RateStanding {
  rule: RateRule;
  verdict: RateVerdict;
}

/** The standard headers (draft-ietf-httpapi-ratelimit-headers); reset in seconds, rounded up. */
export const rateHeaders = ({ rule, verdict }: RateStanding): Record<string, string> => ({
  'ratelimit-limit': String(rule.points),
  'ratelimit-remaining': String(verdict.remaining),
  'ratelimit-reset': String(Math.ceil(verdict.resetMs / 1000)),
});

export const tighter = (a: RateStanding | undefined, b: RateStanding): RateStanding =>
  a && a.verdict.remaining <= b.verdict.remaining ? a : b;

/** Counts requests across gateways, and in this process alone while the shared counters do not answer. */
export class GatewayRates {
  readonly #shared: RateLimits;
  readonly #local: RateLimits;
  readonly #rates: GatewayConfig['rates'];
  readonly #logger: Logger;
  #sharedFails = false;

  constructor(ports: { shared: RateLimits; local: RateLimits; logger: Logger }, rates: GatewayConfig['rates']) {
    this.#shared = ports.shared;
    this.#local = ports.local;
    this.#logger = ports.logger;
    this.#rates = rates;
  }

  /** Counts one use; with 0 points none, only to know the standing. */
  async take(name: RateName, key: string, points = 1): Promise<RateStanding> {
    const rule = { name: `gateway.${name}`, points: this.#rates[name], windowMs: this.#rates.windowMs };
    return { rule, verdict: await this.#take(rule, key, points) };
  }

  async #take(rule: RateRule, key: string, points: number): Promise<RateVerdict> {
    try {
      const verdict = await this.#shared.take(rule, key, points);
      if (this.#sharedFails) this.#logger.info('shared rate limits work again');
      this.#sharedFails = false;
      return verdict;
    } catch (thrown) {
      if (!(thrown instanceof CaasError) || !thrown.retryable) throw thrown;
      if (!this.#sharedFails) this.#logger.warn({ err: thrown }, 'shared rate limits fail, counting locally');
      this.#sharedFails = true;
      return this.#local.take(rule, key, points);
    }
  }
}

/** Throws RATE_LIMITED when the standing is past its limit. */
export const orRateLimited = ({ rule, verdict }: RateStanding): void => {
  if (verdict.allowed) return;
  const details = { limit: rule.name, value: String(rule.points), unit: 'requests', window_ms: String(rule.windowMs) };
  throw new CaasError('RATE_LIMITED', 'too many requests of this kind', { details, retryAfterMs: verdict.resetMs });
};
