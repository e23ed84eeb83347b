/** Tenants whose losses are counted one by one; those of further ones are counted together. */
const maxTenants = 1_000;
const others = '';

/** How many events of each tenant could not be kept. */
export class Losses {
  #untold = new Map<string, number>();
  #total = 0;

  /** Since the start. */
  get total(): number {
    return this.#total;
  }

  add(tenantId: string, count: number): void {
    const name = this.#untold.has(tenantId) || this.#untold.size < maxTenants ? tenantId : others;
    this.#untold.set(name, (this.#untold.get(name) ?? 0) + count);
    this.#total += count;
  }

  /** What was not taken before. */
  take(): ReadonlyMap<string, number> {
    if (this.#untold.size === 0) return this.#untold;
    const taken = this.#untold;
    this.#untold = new Map();
    return taken;
  }
}
