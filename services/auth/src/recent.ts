/** Values kept for a short while: at most `maxEntries`, the least recently used goes first. */
export class Recent<V> {
  readonly #entries = new Map<string, { value: V; untilMs: number }>();
  readonly #maxEntries: number;
  readonly #ttlMs: number;

  constructor(limits: { maxEntries: number; ttlMs: number }) {
    this.#maxEntries = limits.maxEntries;
    this.#ttlMs = limits.ttlMs;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string, nowMs: number): V | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    // A clock that was set back must not make an entry live on: it may not be valid for longer than its time to live.
    if (entry.untilMs <= nowMs || entry.untilMs > nowMs + this.#ttlMs) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: V, nowMs: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, untilMs: nowMs + this.#ttlMs });
    if (this.#entries.size <= this.#maxEntries) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      break;
    }
  }
}
