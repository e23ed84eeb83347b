import type { CallContext } from '@caas/kit/grpc';
import type { PutRetentionRequest, PutRetentionResponse } from '@caas/proto/caas/compliance/v1/privacy_service';
import type { PrivacyCore } from '../privacy/core.ts';
import { actorOf } from '../privacy/jobs.ts';

/** Says how long messages of a tenant or a conversation are kept; the next sweep goes by it. */
export const putRetention =
  ({ store, writer, clock }: PrivacyCore) =>
  async (
    { tenantId, conversationId, keepMs, actorId }: PutRetentionRequest,
    context: Pick<CallContext, 'caller' | 'traceparent'>,
  ): Promise<PutRetentionResponse> => {
    const actor = actorOf(actorId, context);
    const about = { conversationId, traceparent: context.traceparent, details: { keep_ms: String(keepMs) } };
    const act = { tenantId, action: 'privacy.retention_put', actor, subjectId: tenantId, ...about } as const;
    const rule = { tenantId, conversationId, keepMs, putBy: actor.id, putAtMs: clock.now() };
    await writer.first(act, () => store.retention.put(rule));
    return {};
  };
