import { compilePolicyBeside } from '@caas/compliance-client/policy';
import { type Clock, fail } from '@caas/kit';
import type { PolicyStore } from '@caas/policy-store';
import { ContentPolicy } from '@caas/proto/caas/compliance/v1/policy_service';
import { maxPolicyBytes } from '../limits.ts';

/** What a tenant has that never put one: everything is allowed. */
const noPolicy = (tenantId: string): ContentPolicy => ContentPolicy.fromPartial({ tenantId });

/** The policies of the tenants, and whoever wants to hear of new versions put here. */
export class Policies {
  readonly store: PolicyStore;
  readonly #clock: Clock;
  readonly #listeners = new Set<(tenantId: string) => void>();

  constructor(store: PolicyStore, clock: Clock) {
    this.store = store;
    this.#clock = clock;
  }

  /** Calls `changed` for each version put by this process; answers how to stop. */
  listen(changed: (tenantId: string) => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  /** The current policy, the empty one where there is none. */
  async current(tenantId: string): Promise<ContentPolicy> {
    const record = await this.store.get(tenantId, 0);
    return record ? ContentPolicy.decode(record.policy) : noPolicy(tenantId);
  }

  /** One version; undefined when there is no such. */
  async version(tenantId: string, version: number): Promise<ContentPolicy | undefined> {
    const record = await this.store.get(tenantId, version);
    return record && ContentPolicy.decode(record.policy);
  }

  /** Throws unless the policy can be applied as it stands. */
  async assertApplicable(policy: ContentPolicy): Promise<void> {
    const bytes = ContentPolicy.encode(policy).finish().length;
    if (bytes > maxPolicyBytes)
      fail('INVALID_ARGUMENT', `policy has ${bytes} bytes, at most ${maxPolicyBytes} allowed`, {
        details: { field: 'policy', limit: String(maxPolicyBytes), unit: 'bytes' },
      });
    await compilePolicyBeside(policy);
  }

  /** Makes the version after the one the caller has seen; FAILED_PRECONDITION when that is not the current one. */
  async put(seen: ContentPolicy, putBy: string): Promise<ContentPolicy> {
    const putAtMs = this.#clock.now();
    const policy: ContentPolicy = { ...seen, version: seen.version + 1, putAtMs, putBy };
    const { tenantId, version } = policy;
    const encoded = ContentPolicy.encode(policy).finish();
    if (!(await this.store.put({ tenantId, version, policy: encoded, putAtMs }))) {
      const [current = 0] = await this.store.versions([tenantId]);
      fail('FAILED_PRECONDITION', `the current version is ${current}`, {
        details: { field: 'policy.version', current_version: String(current) },
      });
    }
    for (const changed of this.#listeners) changed(tenantId);
    return policy;
  }
}
