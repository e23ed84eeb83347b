import { fail } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import type { PutPolicyRequest, PutPolicyResponse } from '@caas/proto/caas/compliance/v1/policy_service';
import type { ComplianceCore } from '../core.ts';

/** Makes a new version of a tenant's policy. That it does is audited first. */
export const putPolicy =
  ({ policies, writer }: Pick<ComplianceCore, 'policies' | 'writer'>) =>
  async (
    { policy }: PutPolicyRequest,
    { caller, traceparent }: Pick<CallContext, 'caller' | 'traceparent'>,
  ): Promise<PutPolicyResponse> => {
    if (!policy) return fail('INVALID_ARGUMENT', 'policy is missing', { details: { field: 'policy' } });
    await policies.assertApplicable(policy);
    const { tenantId, version } = policy;
    const act = {
      tenantId,
      action: 'policy.put',
      actor: { kind: 'operator', id: caller },
      subjectId: tenantId,
      traceparent,
      details: { policy_version: String(version + 1), rules: String(policy.rules.length) },
    } as const;
    return { policy: await writer.first(act, () => policies.put(policy, caller)) };
  };
