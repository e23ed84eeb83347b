import { createHash } from 'node:crypto';
import { CaasError, derivedId, fail } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import type { JobRecord } from '@caas/privacy-store';
import { type Job, JobKind, JobState } from '@caas/proto/caas/compliance/v1/privacy_service';
import type { PrivacyCore } from './core.ts';

/** What is asked for. */
export interface JobRequest {
  tenantId: string;
  requestId: string;
  kind: JobKind;
  userId: string;
  dryRun: boolean;
  startedBy: string;
}

/** A new job; its id follows from the request, so that asking twice is asking once. */
export const newJob = (request: JobRequest, traceId: string, nowMs: number): Omit<JobRecord, 'rev'> => {
  const { requestId, ...asked } = request;
  return {
    ...asked,
    jobId: derivedId('privacy job', request.tenantId, requestId),
    state: JobState.JOB_STATE_QUEUED,
    step: '',
    doneUnits: 0,
    totalUnits: 0,
    createdAtMs: nowMs,
    endedAtMs: 0,
    reason: '',
    traceId,
    wouldGo: 0,
    heldBack: 0,
    destroying: false,
    memo: '{}',
    // An export goes on by being read.
    dueAtMs: request.kind === JobKind.JOB_KIND_EXPORT ? 0 : nowMs,
  };
};

const same = (job: Omit<JobRecord, 'rev'>, other: JobRecord): boolean =>
  job.kind === other.kind && job.userId === other.userId && job.dryRun === other.dryRun;

/** The job of a request that came before; IDEMPOTENCY_CONFLICT when that was about something else. */
export const askedBefore = async (
  { store }: Pick<PrivacyCore, 'store'>,
  job: Omit<JobRecord, 'rev'>,
): Promise<JobRecord | undefined> => {
  const before = await store.jobs.get(job.tenantId, job.jobId);
  if (before && !same(job, before))
    fail('IDEMPOTENCY_CONFLICT', 'the request id was used for something else', { details: { field: 'request_id' } });
  return before;
};

/** Keeps a new job, or answers the one of the same request. */
export const begin = async (core: PrivacyCore, job: Omit<JobRecord, 'rev'>): Promise<JobRecord> => {
  const { store } = core;
  if (await store.jobs.create(job)) {
    core.wake();
    return { ...job, rev: 1 };
  }
  return (await askedBefore(core, job)) ?? fail('UNAVAILABLE', 'the job is not there yet');
};

/** A job by its id; NOT_FOUND when there is none, or none of that kind. */
export const jobOf = async (
  { store }: Pick<PrivacyCore, 'store'>,
  tenantId: string,
  jobId: string,
  kind?: JobKind,
): Promise<JobRecord> => {
  const job = await store.jobs.get(tenantId, jobId);
  if (!job || (kind !== undefined && job.kind !== kind))
    throw new CaasError('NOT_FOUND', 'no such job', { details: { field: 'job_id' } });
  return job;
};

/** A job as it is told. */
export const jobView = ({ memo, certificate, rev, destroying, dueAtMs, ...job }: JobRecord): Job => job;

/** Who acts for an operator's call: the person it names, else the caller. */
export const actorOf = (actorId: string, { caller }: Pick<CallContext, 'caller'>) =>
  ({ kind: 'operator', id: actorId === '' ? caller : actorId }) as const;

export const sha256Hex = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
