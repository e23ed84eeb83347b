import { fail } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import type { ReleaseLegalHoldRequest, ReleaseLegalHoldResponse } from '@caas/proto/caas/compliance/v1/privacy_service';
import type { PrivacyCore } from '../privacy/core.ts';
import { actorOf } from '../privacy/jobs.ts';

/** Ends a legal hold. */
export const releaseLegalHold =
  ({ store, writer }: PrivacyCore) =>
  async (
    { tenantId, holdId, actorId }: ReleaseLegalHoldRequest,
    context: Pick<CallContext, 'caller' | 'traceparent'>,
  ): Promise<ReleaseLegalHoldResponse> => {
    const actor = actorOf(actorId, context);
    const { traceparent } = context;
    const act = { tenantId, action: 'privacy.hold_released', actor, subjectId: holdId, traceparent } as const;
    const there = await writer.first(act, () => store.holds.remove(tenantId, holdId));
    if (!there) fail('NOT_FOUND', 'no such hold', { details: { field: 'hold_id' } });
    return {};
  };
