import { fail } from '@caas/kit';
import type { GetPolicyRequest, GetPolicyResponse } from '@caas/proto/caas/compliance/v1/policy_service';
import type { ComplianceCore } from '../core.ts';

/** Reads a tenant's current policy, or one version of it. */
export const getPolicy =
  ({ policies }: Pick<ComplianceCore, 'policies'>) =>
  async ({ tenantId, version }: GetPolicyRequest): Promise<GetPolicyResponse> => ({
    policy:
      version === 0
        ? await policies.current(tenantId)
        : ((await policies.version(tenantId, version)) ??
          fail('NOT_FOUND', 'there is no such version', { details: { field: 'version' } })),
  });
