import { fail } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import type { JobRecord } from '@caas/privacy-store';
import {
  JobKind,
  JobState,
  type ReadExportRequest,
  type ReadExportResponse,
} from '@caas/proto/caas/compliance/v1/privacy_service';
import { exportProgressMs } from '../limits.ts';
import type { PrivacyCore } from '../privacy/core.ts';
import { exportOf, type OnProgress } from '../privacy/export/export.ts';
import { actorOf, jobOf } from '../privacy/jobs.ts';

/** Keeps in the job how far its export is; of two who read it the later one's word stands. */
const keep = async (
  { store }: PrivacyCore,
  { tenantId, jobId }: JobRecord,
  changes: Partial<JobRecord>,
): Promise<void> => {
  const job = await store.jobs.get(tenantId, jobId);
  if (job && job.state !== JobState.JOB_STATE_CANCELLED) await store.jobs.replace({ ...job, ...changes });
};

const keeping = (core: PrivacyCore, job: JobRecord): OnProgress => {
  let keptAtMs = Number.NEGATIVE_INFINITY;
  return async (step, doneUnits) => {
    const nowMs = performance.now();
    if (nowMs - keptAtMs < exportProgressMs) return;
    keptAtMs = nowMs;
    await keep(core, job, { state: JobState.JOB_STATE_RUNNING, step, doneUnits, endedAtMs: 0 });
  };
};

/** Streams a user's export, made as it is read. That it is read is audited first. */
export const readExport = (core: PrivacyCore) =>
  async function* (
    { tenantId, jobId }: ReadExportRequest,
    context: Pick<CallContext, 'caller' | 'traceparent'>,
  ): AsyncGenerator<ReadExportResponse> {
    const job = await jobOf(core, tenantId, jobId, JobKind.JOB_KIND_EXPORT);
    if (job.state === JobState.JOB_STATE_CANCELLED) fail('FAILED_PRECONDITION', 'the export was cancelled');
    const { traceparent } = context;
    const actor = actorOf('', context);
    const details = { job_id: jobId };
    const act = { tenantId, action: 'privacy.exported', actor, subjectId: job.userId, traceparent, details } as const;
    const chunks = await core.writer.first(act, async () => exportOf(core, job, keeping(core, job)));
    for await (const chunk of chunks) yield { chunk: Buffer.from(chunk) };
    await keep(core, job, { state: JobState.JOB_STATE_DONE, endedAtMs: core.clock.now() });
  };
