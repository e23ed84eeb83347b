import { setTimeout as sleep } from 'node:timers/promises';
import type { Runnable } from '@caas/kit';
import { newTraceparent, traceIdOf } from '@caas/kit';
import { JobKind } from '@caas/proto/caas/compliance/v1/privacy_service';
import { rulesPage, sweepCheckMs } from '../limits.ts';
import type { PrivacyCore } from './core.ts';
import { begin, newJob } from './jobs.ts';

/** Begins a sweep of each tenant with rules of retention, once an interval; of several instances one begins it. */
export class Sweeps implements Runnable {
  readonly name = 'retention sweeps';
  readonly #core: PrivacyCore;
  readonly #intervalMs: number;
  #begunPeriod = -1;

  constructor(core: PrivacyCore, intervalMs: number) {
    this.#core = core;
    this.#intervalMs = intervalMs;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#begin().catch((err: unknown) => {
        if (!signal.aborted) this.#core.logger.warn({ err }, 'sweeps of retention were not begun; trying again');
      });
      await sleep(Math.min(sweepCheckMs, this.#intervalMs), undefined, { signal }).catch(() => undefined);
    }
  }

  async #begin(): Promise<void> {
    const { store, clock } = this.#core;
    const period = Math.floor(clock.now() / this.#intervalMs);
    if (period === this.#begunPeriod) return;
    for (let after = ''; ; ) {
      const tenants = await store.retention.tenants(after, rulesPage);
      for (const tenantId of tenants) await this.#sweep(tenantId, period);
      const last = tenants.at(-1);
      if (last === undefined) break;
      after = last;
    }
    this.#begunPeriod = period;
  }

  async #sweep(tenantId: string, period: number): Promise<void> {
    const { store, writer, clock } = this.#core;
    const traceparent = newTraceparent();
    const request = { tenantId, requestId: `sweep/${period}`, userId: '', dryRun: false, startedBy: 'compliance' };
    const job = newJob({ ...request, kind: JobKind.JOB_KIND_RETENTION }, traceIdOf(traceparent), clock.now());
    if (await store.jobs.get(tenantId, job.jobId)) return;
    const actor = { kind: 'service', id: 'compliance' } as const;
    const act = { tenantId, action: 'privacy.retention_started', actor, subjectId: job.jobId, traceparent } as const;
    await writer.first(act, () => begin(this.#core, job));
  }
}
