import { CaasError } from '@caas/kit';
import { maxCallsInFlight, maxIdsPerCall, maxWaitingIds } from './limits.ts';

interface Ask<V> {
  id: string;
  promise: Promise<V>;
  resolve(value: V): void;
  reject(error: unknown): void;
}

const newAsk = <V>(id: string): Ask<V> => ({ id, ...Promise.withResolvers<V>() });

/**
 * Asks of one kind: what a turn asks for goes together, one call a tenant and `maxIdsPerCall`; what is asked for already is not
 * asked for again.
 */
export class Asks<V> {
  readonly #call: (tenantId: string, ids: readonly string[]) => Promise<readonly V[]>;
  /** Asks by tenant and id, until they are answered. */
  readonly #open = new Map<string, Map<string, Ask<V>>>();
  /** Those of them that no call has taken yet. */
  readonly #waiting = new Map<string, Ask<V>[]>();
  #count = 0;
  #calls = 0;
  #scheduled = false;

  /** `call` answers one value an id, in the order of the ids. */
  constructor(call: (tenantId: string, ids: readonly string[]) => Promise<readonly V[]>) {
    this.#call = call;
  }

  /** The value of an id. Rejects with what the call rejects with; OVERLOADED at the bound. */
  ask(tenantId: string, id: string): Promise<V> {
    const ofTenant = this.#open.get(tenantId) ?? new Map<string, Ask<V>>();
    const asked = ofTenant.get(id);
    if (asked) return asked.promise;
    if (this.#count >= maxWaitingIds) {
      const details = { limit: 'maxWaitingIds', value: String(maxWaitingIds), unit: 'ids' };
      return Promise.reject(new CaasError('OVERLOADED', 'too many keys are being asked for', { details }));
    }
    const ask = newAsk<V>(id);
    ofTenant.set(id, ask);
    this.#open.set(tenantId, ofTenant);
    const waiting = this.#waiting.get(tenantId);
    if (waiting) waiting.push(ask);
    else this.#waiting.set(tenantId, [ask]);
    this.#count += 1;
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#flush());
    }
    return ask.promise;
  }

  #flush(): void {
    this.#scheduled = false;
    for (const [tenantId, waiting] of this.#waiting) {
      while (waiting.length > 0) {
        if (this.#calls >= maxCallsInFlight) return;
        void this.#take(tenantId, waiting.splice(0, maxIdsPerCall));
      }
      this.#waiting.delete(tenantId);
    }
  }

  async #take(tenantId: string, asks: readonly Ask<V>[]): Promise<void> {
    this.#calls += 1;
    const outcome = await this.#call(
      tenantId,
      asks.map(({ id }) => id),
    ).then(
      (values) => ({ values }),
      (error: unknown) => ({ error }),
    );
    this.#calls -= 1;
    this.#count -= asks.length;
    const open = this.#open.get(tenantId);
    for (const [i, ask] of asks.entries()) {
      open?.delete(ask.id);
      if ('error' in outcome) ask.reject(outcome.error);
      else ask.resolve(outcome.values[i] as V);
    }
    if (open?.size === 0) this.#open.delete(tenantId);
    this.#flush();
  }
}
