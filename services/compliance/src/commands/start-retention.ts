import type { CallContext } from '@caas/kit/grpc';
import {
  JobKind,
  type StartRetentionRequest,
  type StartRetentionResponse,
} from '@caas/proto/caas/compliance/v1/privacy_service';
import type { PrivacyCore } from '../privacy/core.ts';
import { actorOf, askedBefore, begin, jobView, newJob } from '../privacy/jobs.ts';

/** Applies a tenant's rules of retention now, or counts what would go. */
export const startRetention =
  (core: PrivacyCore) =>
  async (
    { tenantId, dryRun, requestId, actorId }: StartRetentionRequest,
    context: Pick<CallContext, 'caller' | 'traceparent' | 'traceId'>,
  ): Promise<StartRetentionResponse> => {
    const { traceparent, traceId } = context;
    const actor = actorOf(actorId, context);
    const request = { tenantId, userId: '', requestId, dryRun, startedBy: actor.id };
    const job = newJob({ ...request, kind: JobKind.JOB_KIND_RETENTION }, traceId, core.clock.now());
    const before = await askedBefore(core, job);
    if (before) return { job: jobView(before) };
    const about = { subjectId: job.jobId, traceparent, details: { dry_run: String(dryRun) } };
    const act = { tenantId, action: 'privacy.retention_started', actor, ...about } as const;
    return { job: jobView(await core.writer.first(act, () => begin(core, job))) };
  };
