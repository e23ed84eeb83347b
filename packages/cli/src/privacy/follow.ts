import { setTimeout as sleep } from 'node:timers/promises';
import { type Job, JobKind, JobState } from '@caas/proto/caas/compliance/v1/privacy_service';
import type { CommandContext } from '../command.ts';
import type { Privacy } from './client.ts';

/** How often a job is looked at, in milliseconds. */
const followMs = 500;

const wordOf = (literals: Record<string, unknown>, value: unknown, prefix: string): string =>
  (Object.keys(literals).find((name) => literals[name] === value) ?? String(value)).slice(prefix.length).toLowerCase();

export const stateOf = ({ state }: Job): string => wordOf(JobState, state, 'JOB_STATE_');

/** A job in one line. */
export const jobLine = (job: Job): string => {
  const { jobId, kind, userId, step, doneUnits, wouldGo, heldBack, dryRun, reason } = job;
  const isSweep = kind === JobKind.JOB_KIND_RETENTION;
  return [
    jobId,
    wordOf(JobKind, kind, 'JOB_KIND_'),
    stateOf(job),
    userId && `user ${userId}`,
    step && `step ${step}`,
    doneUnits > 0 && `done ${doneUnits}`,
    isSweep && `${dryRun ? 'would go' : 'gone'} ${wouldGo}, held back ${heldBack}`,
    reason,
  ]
    .filter(Boolean)
    .join('  ');
};

/** The job as it ended; shows how far it is meanwhile. It goes on when the command is ended. */
export const followed = async (
  privacy: Privacy,
  started: Job | undefined,
  { signal, progress }: CommandContext,
): Promise<Job> => {
  const { tenantId = '', jobId = '' } = started ?? {};
  for (;;) {
    const { job } = await privacy.getJob({ tenantId, jobId }, { signal });
    if (job && job.endedAtMs > 0) return job;
    if (job) progress(jobLine(job));
    await sleep(followMs, undefined, { signal });
  }
};
