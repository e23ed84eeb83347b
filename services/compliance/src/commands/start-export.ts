import type { CallContext } from '@caas/kit/grpc';
import {
  JobKind,
  type StartExportRequest,
  type StartExportResponse,
} from '@caas/proto/caas/compliance/v1/privacy_service';
import type { PrivacyCore } from '../privacy/core.ts';
import { actorOf, askedBefore, begin, jobView, newJob } from '../privacy/jobs.ts';

/** Asks for a user's export, which is made when it is read. */
export const startExport =
  (core: PrivacyCore) =>
  async (
    { tenantId, userId, requestId, actorId }: StartExportRequest,
    context: Pick<CallContext, 'caller' | 'traceparent' | 'traceId'>,
  ): Promise<StartExportResponse> => {
    const { traceparent, traceId } = context;
    const actor = actorOf(actorId, context);
    const request = { tenantId, userId, requestId, dryRun: false, startedBy: actor.id };
    const job = newJob({ ...request, kind: JobKind.JOB_KIND_EXPORT }, traceId, core.clock.now());
    const before = await askedBefore(core, job);
    if (before) return { job: jobView(before) };
    // USER_NOT_FOUND for one there is not.
    await core.accounts.getUserData({ tenantId, userId, afterSessionId: '' }, { traceparent });
    const details = { job_id: job.jobId };
    const act = {
      tenantId,
      action: 'privacy.export_requested',
      actor,
      subjectId: userId,
      traceparent,
      details,
    } as const;
    return { job: jobView(await core.writer.first(act, () => begin(core, job))) };
  };
