import type { CallContext } from '@caas/kit/grpc';
import {
  JobKind,
  type StartErasureRequest,
  type StartErasureResponse,
} from '@caas/proto/caas/compliance/v1/privacy_service';
import type { PrivacyCore } from '../privacy/core.ts';
import { holdOn, underHold } from '../privacy/holds.ts';
import { actorOf, askedBefore, begin, jobView, newJob } from '../privacy/jobs.ts';

/** Begins the erasure of a user, unless a legal hold forbids it: then that is audited, too. */
export const startErasure =
  (core: PrivacyCore) =>
  async (
    { tenantId, userId, requestId, actorId }: StartErasureRequest,
    context: Pick<CallContext, 'caller' | 'traceparent' | 'traceId'>,
  ): Promise<StartErasureResponse> => {
    const { traceparent, traceId } = context;
    const actor = actorOf(actorId, context);
    const request = { tenantId, userId, requestId, dryRun: false, startedBy: actor.id };
    const job = newJob({ ...request, kind: JobKind.JOB_KIND_ERASURE }, traceId, core.clock.now());
    const before = await askedBefore(core, job);
    if (before) return { job: jobView(before) };
    const by = { tenantId, actor, subjectId: userId, traceparent } as const;
    const hold = await holdOn(core, tenantId, userId);
    if (hold) {
      const refusal = underHold(hold);
      const { reason, details } = refusal;
      core.writer.record({ ...by, action: 'privacy.refused', reason, details: { ...details, asked: 'erasure' } });
      throw refusal;
    }
    // USER_NOT_FOUND for one there is not.
    await core.accounts.getUserData({ tenantId, userId, afterSessionId: '' }, { traceparent });
    const act = { ...by, action: 'privacy.erasure_requested', details: { job_id: job.jobId } } as const;
    return { job: jobView(await core.writer.first(act, () => begin(core, job))) };
  };
