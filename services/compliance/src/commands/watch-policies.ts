import type { CallContext } from '@caas/kit/grpc';
import type { WatchPoliciesRequest, WatchPoliciesResponse } from '@caas/proto/caas/compliance/v1/policy_service';
import type { ComplianceCore } from '../core.ts';
import { Follower } from '../policy/follower.ts';

/** Tells a holder of the policies of the tenants it names, for as long as the stream lives. */
export const watchPolicies = ({ policies, logger }: Pick<ComplianceCore, 'policies' | 'logger'>) =>
  async function* (
    requests: AsyncIterable<WatchPoliciesRequest>,
    { signal }: Pick<CallContext, 'signal'>,
  ): AsyncGenerator<WatchPoliciesResponse> {
    const follower = new Follower(policies, logger);
    const ended = new AbortController();
    let fault: unknown;
    (async () => {
      for await (const { tenantIds } of requests) follower.add(tenantIds);
    })().catch((thrown: unknown) => {
      // A request that is refused ends the stream with its reason.
      fault = thrown;
      ended.abort();
    });
    for await (const current of follower.words(AbortSignal.any([signal, ended.signal]))) yield { policies: current };
    if (fault !== undefined && !signal.aborted) throw fault;
  };
