import type { Clock } from './ports.ts';

/** At most one timer a key. */
export class KeyedTimers {
  readonly #clock: Clock;
  readonly #timers = new Map<string, unknown>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(key: string): boolean {
    return this.#timers.has(key);
  }

  /** Runs a function after a wait in milliseconds, unless the key waits already. */
  start(key: string, ms: number, run: () => void): void {
    if (this.#timers.has(key)) return;
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(key);
      run();
    }, ms);
    this.#timers.set(key, timer);
  }

  cancel(key: string): void {
    if (!this.#timers.has(key)) return;
    this.#clock.clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
  }

  stop(): void {
    for (const timer of this.#timers.values()) this.#clock.clearTimeout(timer);
    this.#timers.clear();
  }
}
