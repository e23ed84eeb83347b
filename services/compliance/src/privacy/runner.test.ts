import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@caas/kit';
import { createLogger } from '@caas/kit/log';
import { until } from '@caas/kit/testing/until';
import { openSqlitePrivacyStore } from '@caas/privacy-store';
import { JobKind } from '@caas/proto/caas/compliance/v1/privacy_service';
import { expect, test } from '@jest/globals';
import type { PrivacyCore } from './core.ts';
import { newJob } from './jobs.ts';
import { JobRunner } from './runner.ts';

test('a job that goes on and on keeps no other waiting', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'runner-'));
  const store = await openSqlitePrivacyStore({ file: join(folder, 'privacy.db') });
  const held = Promise.withResolvers<never[]>();
  const core = {
    store,
    // A sweep of tenant a waits here, in the middle of a step.
    messages: { conversations: { list: () => held.promise } },
    writer: { record: () => undefined },
    // An erasure stops at its second step: nobody knows of holds.
    clock: systemClock,
    logger: createLogger({ service: 'test', level: 'silent' }),
  } as unknown as PrivacyCore;
  const stop = new AbortController();
  const running = new JobRunner(core).run(stop.signal);
  const jobOf = (tenantId: string, kind: JobKind) =>
    newJob({ tenantId, requestId: 'r', kind, userId: 'u', dryRun: true, startedBy: 'dpo' }, '', Date.now());
  const stepOf = async (tenantId: string, kind: JobKind) =>
    (await store.jobs.get(tenantId, jobOf(tenantId, kind).jobId))?.step;
  try {
    const sweep = jobOf('a', JobKind.JOB_KIND_RETENTION);
    await store.jobs.create(sweep);
    await until('the sweep is begun', async () => ((await store.jobs.get('a', sweep.jobId))?.rev ?? 0) > 1);
    await store.jobs.create(jobOf('b', JobKind.JOB_KIND_ERASURE));
    await until(
      'the erasure goes on beside it',
      async () => (await stepOf('b', JobKind.JOB_KIND_ERASURE)) === 'sessions',
    );
    expect(await stepOf('a', JobKind.JOB_KIND_RETENTION)).toBe('');
  } finally {
    held.resolve([]);
    stop.abort();
    await running;
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
});
