import { setTimeout as sleep } from 'node:timers/promises';
import { isPassing, type Runnable, toCaasError } from '@caas/kit';
import type { JobRecord } from '@caas/privacy-store';
import { JobKind, JobState } from '@caas/proto/caas/compliance/v1/privacy_service';
import { jobPollMs, jobRetryMs, jobTurnMs, leaseMs, longLeaseMs, maxJobsAtOnce } from '../limits.ts';
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
    // A job that goes on for hours has one of the places, not a round that others wait for.
    const working = new Set<Promise<void>>();
    while (!signal.aborted) {
      const free = maxJobsAtOnce - working.size;
      const due = free === 0 ? [] : await this.#due(free, signal);
      for (const job of due) {
        const work = this.#goOn(job, signal)
          .catch((err: unknown) => this.#troubled(err, signal))
          .finally(() => {
            working.delete(work);
            this.wake();
          });
        working.add(work);
      }
      if (free > 0 && due.length === free) continue;
      await Promise.race([sleep(jobPollMs, undefined, { signal }).catch(() => undefined), this.#woken.promise]);
      this.#woken = Promise.withResolvers<void>();
    }
    await Promise.all(working);
  }

  async #due(limit: number, signal: AbortSignal): Promise<JobRecord[]> {
    const { store, clock } = this.#core;
    return store.jobs.due(clock.now(), limit).catch((err: unknown) => {
      this.#troubled(err, signal);
      return [];
    });
  }

  #troubled(err: unknown, signal: AbortSignal): void {
    if (!signal.aborted) this.#core.logger.warn({ err }, 'jobs of privacy are not looked for; trying again');
  }

  /** Works on a job until it waits for something, ends, is changed by another one, or others have had to wait long enough. */
  async #goOn(due: JobRecord, signal: AbortSignal): Promise<void> {
    const untilMs = performance.now() + jobTurnMs;
    let job = await this.#keep(due, { state: JobState.JOB_STATE_RUNNING }, isLong(due) ? longLeaseMs : leaseMs);
    while (job && !signal.aborted) {
      const outcome = await this.#step(job, signal);
      const { dueInMs, ...changes } = outcome;
      const goesOn = (changes.state ?? job.state) === JobState.JOB_STATE_RUNNING;
      const next = { ...job, ...changes };
      const working = goesOn && dueInMs === undefined && !signal.aborted && performance.now() < untilMs;
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
      const mustEnd = job.destroying && job.kind === JobKind.JOB_KIND_ERASURE;
      const again = isPassing(fault) || mustEnd || signal.aborted;
      logger[isPassing(fault) ? 'warn' : 'error'](
        { err: fault, tenantId, jobId, step, again },
        'a job of privacy failed',
      );
      return again ? { reason, dueInMs: jobRetryMs } : { reason, state: JobState.JOB_STATE_FAILED };
    }
  }
}
