/**
 * A token bucket in a few numbers (GCRA): no timer, no allocation per take. A clock that is put back costs nobody a wait,
 * and gives nobody anything.
 */
export class TokenBucket {
  #theoreticalArrivalMs = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  #intervalMs = 0;
  #toleranceMs = 0;

  /** `ratePerSecond` sustained, `burst` at once. */
  constructor(ratePerSecond: number, burst: number) {
    this.adjust(ratePerSecond, burst);
  }

  /** Another rate and burst from now on. */
  adjust(ratePerSecond: number, burst: number): void {
    this.#intervalMs = 1000 / ratePerSecond;
    this.#toleranceMs = this.#intervalMs * (burst - 1);
  }

  /** Takes one; 0 when allowed, else the wait in whole milliseconds until one is free. */
  take(nowMs: number): number {
    if (nowMs < this.#lastMs) this.#theoreticalArrivalMs -= this.#lastMs - nowMs;
    this.#lastMs = nowMs;
    const arrival = Math.max(this.#theoreticalArrivalMs, nowMs);
    const waitMs = arrival - this.#toleranceMs - nowMs;
    if (waitMs > 0) return Math.ceil(waitMs);
    this.#theoreticalArrivalMs = arrival + this.#intervalMs;
    return 0;
  }
}
