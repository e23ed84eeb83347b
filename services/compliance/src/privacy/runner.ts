import { setTimeout as sleep } from 'node:timers/promises';
import { isPassing, type Runnable, toCaasError } from '@caas/kit';
import type { JobRecord } from '@caas/privacy-store';
import { JobKind, JobState } from '@caas/proto/caas/compliance/v1/privacy_service';
import { jobPollMs, jobRetryMs, leaseMs, longLeaseMs, maxJobsAtOnce } from '../limits.ts';
import type { PrivacyCore } from './core.ts';
import { erasureStep } from './erasure.ts';
import { retentionStep } from './retention.ts';

/** What a step changes of its job, and when the next one is due: at once unless it says another time. */
export type StepOutcome = Partial<Omit<JobRecord, 'tenantId' | 'jobId' | 'rev' | 'dueAtMs'>> & { dueInMs?: number };

type Step = (core: PrivacyCore, job: JobRecord) => Promise<StepOutcome>;

/** By kind what goes on by itself. Every step may be repeated, and may be done by two at a time. */
const steps: Partial<Record<JobKind, Step>> = {
  [JobKind.JOB_KIND_ERASURE]: erasureStep,
  [JobKind.JOB_KIND_RETENTION]: retentionStep,
};

const isLong = ({ step }: JobRecord): boolean => step === 'media';

/**
 * Goes on with the jobs that are due, step by step, each kept before the next begins. A job belongs to who has made its next
 * revision, for the time of a lease: when that process dies another one, or its next start, goes on after it.
 */
export class JobRunner implements Runnable {
  readonly name = 'privacy jobs';
  readonly #core: PrivacyCore;
  #woken = Promise.withResolvers<void>();

  constructor(core: PrivacyCore) {
    this.#core = core;
  }

  /** There may be something to do. */
  wake(): void {
    this.#woken.resolve();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const busy = await this.#round(signal).catch((err: unknown) => {
        if (!signal.aborted) this.#core.logger.warn({ err }, 'jobs of privacy are not looked for; trying again');
        return false;
      });
      if (busy) continue;
      await Promise.race([sleep(jobPollMs, undefined, { signal }).catch(() => undefined), this.#woken.promise]);
      this.#woken = Promise.withResolvers<void>();
    }
  }

  async #round(signal: AbortSignal): Promise<boolean> {
    const { store, clock } = this.#core;
    const due = await store.jobs.due(clock.now(), maxJobsAtOnce);
    await Promise.all(due.map((job) => this.#goOn(job, signal)));
    return due.length > 0;
  }

  /** Works on a job until it waits for something, ends, or is changed by another one. */
  async #goOn(due: JobRecord, signal: AbortSignal): Promise<void> {
    let job = await this.#keep(due, { state: JobState.JOB_STATE_RUNNING }, isLong(due) ? longLeaseMs : leaseMs);
    while (job && !signal.aborted) {
      const outcome = await this.#step(job, signal);
      const { dueInMs, ...changes } = outcome;
      const goesOn = (changes.state ?? job.state) === JobState.JOB_STATE_RUNNING;
      const next = { ...job, ...changes };
      const working = goesOn && dueInMs === undefined && !signal.aborted;
      job = await this.#keep(
        job,
        changes,
        working ? (isLong(next) ? longLeaseMs : leaseMs) : goesOn ? (dueInMs ?? 0) : -1,
      );
      if (!working) return;
    }
  }

  /** The job's next revision, due after a time, never when it is negative; undefined: another one has made it. */
  async #keep(job: JobRecord, changes: Partial<JobRecord>, dueInMs: number): Promise<JobRecord | undefined> {
    const { store, clock } = this.#core;
    const nowMs = clock.now();
    const ended = dueInMs < 0;
    const next = { ...job, ...changes, dueAtMs: ended ? 0 : nowMs + dueInMs, endedAtMs: ended ? nowMs : 0 };
    return (await store.jobs.replace(next)) ? { ...next, rev: job.rev + 1 } : undefined;
  }

  async #step(job: JobRecord, signal: AbortSignal): Promise<StepOutcome> {
    const { logger } = this.#core;
    const { tenantId, jobId, step } = job;
    try {
      const work = steps[job.kind];
      if (!work) throw new TypeError(`jobs of kind ${job.kind} do not go on by themselves`);
      return { reason: '', ...(await work(this.#core, job)) };
    } catch (fault) {
      const { reason } = toCaasError(fault);
      // What has begun to destroy has to come to its end; the reason says what keeps it.
      const again = isPassing(fault) || job.destroying || signal.aborted;
      logger[isPassing(fault) ? 'warn' : 'error'](
        { err: fault, tenantId, jobId, step, again },
        'a job of privacy failed',
      );
      return again ? { reason, dueInMs: jobRetryMs } : { reason, state: JobState.JOB_STATE_FAILED };
    }
  }
}
