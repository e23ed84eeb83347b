import type { Clock } from '@caas/kit';
import type { Rates } from '../edge/rates.ts';

/** How long the rates of a user without connections are kept, ms: by then the frames' bucket is full again. */
const keptMs = 60_000;
/** Users whose rates are kept; the first to have left are forgotten first, and come back with full buckets. */
const maxKept = 100_000;

/** Rates of users who have just left, so that reconnecting does not refill them. */
export class KeptRates {
  readonly #clock: Clock;
  /** In the order they left. */
  readonly #kept = new Map<string, { rates: Rates; untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  keep(name: string, rates: Rates): void {
    const now = this.#clock.now();
    this.#kept.delete(name);
    this.#kept.set(name, { rates, untilMs: now + keptMs });
    for (const [oldest, { untilMs }] of this.#kept) {
      if (untilMs > now && this.#kept.size <= maxKept) return;
      this.#kept.delete(oldest);
    }
  }

  /** The rates to go on with, if the user was here a moment ago. */
  take(name: string): Rates | undefined {
    const kept = this.#kept.get(name);
    this.#kept.delete(name);
    return kept && kept.untilMs > this.#clock.now() ? kept.rates : undefined;
  }
}
