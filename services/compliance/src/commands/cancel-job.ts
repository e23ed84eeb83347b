import { CaasError, fail } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import type { JobRecord } from '@caas/privacy-store';
import {
  type CancelJobRequest,
  type CancelJobResponse,
  JobKind,
  JobState,
} from '@caas/proto/caas/compliance/v1/privacy_service';
import type { PrivacyCore } from '../privacy/core.ts';
import { actorOf, jobOf, jobView } from '../privacy/jobs.ts';

/** Attempts at a job that goes on meanwhile. */
const maxAttempts = 10;

const hasEnded = ({ state }: JobRecord): boolean =>
  state === JobState.JOB_STATE_DONE || state === JobState.JOB_STATE_FAILED;

const cancelled = async (core: PrivacyCore, tenantId: string, jobId: string): Promise<JobRecord> => {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const job = await jobOf(core, tenantId, jobId);
    if (job.state === JobState.JOB_STATE_CANCELLED) return job;
    const mustEnd = job.destroying && job.kind === JobKind.JOB_KIND_ERASURE;
    if (mustEnd || hasEnded(job)) fail('FAILED_PRECONDITION', mustEnd ? 'it has begun to destroy' : 'it has ended');
    const next = { ...job, state: JobState.JOB_STATE_CANCELLED, endedAtMs: core.clock.now(), dueAtMs: 0 };
    if (await core.store.jobs.replace(next)) return next;
  }
  throw new CaasError('UNAVAILABLE', 'the job changes too fast');
};

/** Stops a job: whoever works on it notices with its next step. */
export const cancelJob =
  (core: PrivacyCore) =>
  async (
    { tenantId, jobId }: CancelJobRequest,
    context: Pick<CallContext, 'caller' | 'traceparent'>,
  ): Promise<CancelJobResponse> => {
    await jobOf(core, tenantId, jobId);
    const { traceparent } = context;
    const by = { tenantId, actor: actorOf('', context), subjectId: jobId, traceparent };
    const act = { ...by, action: 'privacy.job_cancelled' } as const;
    return { job: jobView(await core.writer.first(act, () => cancelled(core, tenantId, jobId))) };
  };
