import { setTimeout as pause } from 'node:timers/promises';
import { chunksOf, fail, type Logger } from '@caas/kit';
import { maxTenantsPerCall } from '@caas/policy-store';
import { ContentPolicy } from '@caas/proto/caas/compliance/v1/policy_service';
import { maxPoliciesAtOnce, maxPolicyWordBytes, maxTenantsPerStream, policyWordMs } from '../limits.ts';
import type { Policies } from './policies.ts';

/**
 * What one stream has been told of its tenants. It gets a word every `policyWordMs`, and none while the store does not say
 * whether that word is true: so who hears nothing knows that its copies may be out of date.
 */
export class Follower {
  readonly #policies: Policies;
  readonly #logger: Logger;
  /** Version that was told of each tenant; -1: none yet. */
  readonly #told = new Map<string, number>();
  /** Tenants put anew or named, and not yet told. */
  readonly #due = new Set<string>();
  #wake: (() => void) | undefined;

  constructor(policies: Policies, logger: Logger) {
    this.#policies = policies;
    this.#logger = logger;
  }

  /** Throws LIMIT_EXCEEDED. A tenant that is named again is told again. */
  add(tenantIds: readonly string[]): void {
    for (const tenantId of tenantIds) {
      if (!this.#told.has(tenantId) && this.#told.size >= maxTenantsPerStream)
        fail('LIMIT_EXCEEDED', 'too many tenants on one stream', {
          details: { limit: 'maxTenantsPerStream', value: String(maxTenantsPerStream), unit: 'tenants' },
        });
      this.#told.set(tenantId, -1);
      this.#due.add(tenantId);
    }
    this.#wake?.();
  }

  /** What to send, until the signal. */
  async *words(signal: AbortSignal): AsyncGenerator<ContentPolicy[]> {
    const stop = this.#policies.listen((tenantId) => {
      if (!this.#told.has(tenantId)) return;
      this.#due.add(tenantId);
      this.#wake?.();
    });
    try {
      // At once, so that who has just come knows that it is heard.
      yield [];
      while (!signal.aborted) {
        const isTime = await this.#next(signal);
        try {
          if (isTime) await this.#compare();
          let sent = 0;
          for await (const batch of this.#batches()) {
            sent++;
            yield batch;
          }
          if (isTime && sent === 0) yield [];
        } catch (err) {
          this.#logger.warn({ err }, 'policies could not be read; who follows them is not told that all is well');
          await pause(policyWordMs, undefined, { signal }).catch(() => undefined);
        }
      }
    } finally {
      stop();
    }
  }

  /** Resolves when something is due, or with true when it is time to compare. */
  async #next(signal: AbortSignal): Promise<boolean> {
    if (this.#due.size > 0 || signal.aborted) return false;
    const waited = new AbortController();
    this.#wake = () => waited.abort();
    try {
      await pause(policyWordMs, undefined, { signal: AbortSignal.any([signal, waited.signal]) });
      return true;
    } catch {
      return false;
    } finally {
      this.#wake = undefined;
    }
  }

  /** Finds what other instances have put. */
  async #compare(): Promise<void> {
    for (const tenantIds of chunksOf([...this.#told.keys()], maxTenantsPerCall)) {
      const versions = await this.#policies.store.versions(tenantIds);
      for (const [i, tenantId] of tenantIds.entries())
        if (this.#told.get(tenantId) !== versions[i]) this.#due.add(tenantId);
    }
  }

  /** The current policies of tenants that are due. What was not sent, because reading failed, stays due. */
  async *#batches(): AsyncGenerator<ContentPolicy[]> {
    const unsent = new Set(this.#due);
    // From here on whoever puts a policy makes its tenant due anew.
    this.#due.clear();
    let [batch, bytes]: [ContentPolicy[], number] = [[], 0];
    const sent = (policies: readonly ContentPolicy[]): void => {
      for (const { tenantId, version } of policies) {
        this.#told.set(tenantId, version);
        unsent.delete(tenantId);
      }
    };
    try {
      for (const tenantIds of chunksOf([...unsent], maxPoliciesAtOnce)) {
        for (const policy of await Promise.all(tenantIds.map((tenantId) => this.#policies.current(tenantId)))) {
          const size = ContentPolicy.encode(policy).finish().length;
          if (batch.length > 0 && bytes + size > maxPolicyWordBytes) {
            sent(batch);
            yield batch;
            [batch, bytes] = [[], 0];
          }
          batch.push(policy);
          bytes += size;
        }
      }
      sent(batch);
      if (batch.length > 0) yield batch;
    } finally {
      for (const tenantId of unsent) this.#due.add(tenantId);
    }
  }
}
