import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@caas/kit';
import { openSqlitePrivacyStore, type PrivacyStore } from '@caas/privacy-store';
import { JobKind } from '@caas/proto/caas/compliance/v1/privacy_service';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { PrivacyCore } from '../privacy/core.ts';
import { newJob } from '../privacy/jobs.ts';
import { putLegalHold } from './put-legal-hold.ts';

let folder: string;
let store: PrivacyStore;
let put: (hold: { tenantId: string; holdId: string; userId: string }) => Promise<unknown>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holds-'));
  store = await openSqlitePrivacyStore({ file: join(folder, 'privacy.db') });
  const writer = { first: (_act: unknown, work: () => Promise<unknown>) => work() };
  const core = { store, clock: systemClock, writer } as unknown as PrivacyCore;
  const context = { caller: 'operator', traceparent: '' };
  put = (hold) =>
    putLegalHold(core)(
      { hold: { conversationId: '', reason: 'case 7', putBy: 'lawyer', putAtMs: 0, ...hold } },
      context,
    );
});
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const aJob = (tenantId: string, userId: string, kind: JobKind = JobKind.JOB_KIND_ERASURE) =>
  newJob({ tenantId, requestId: `${kind}-${userId}`, kind, userId, dryRun: false, startedBy: 'dpo' }, '', Date.now());
const lease = () => Date.now() + 60_000;

test('a hold on whom an erasure destroys is refused, however many others are being erased', async () => {
  const tenantId = 'many';
  for (let n = 0; n < 1_101; n++)
    await store.jobs.create({ ...aJob(tenantId, `u${n}`), step: 'keys', destroying: true, dueAtMs: lease() });
  for (const userId of ['u0', 'u550', 'u1100'])
    await expect(put({ tenantId, holdId: `h-${userId}`, userId })).rejects.toMatchObject({
      reason: 'FAILED_PRECONDITION',
      details: { job_id: aJob(tenantId, userId).jobId },
    });
  await put({ tenantId, holdId: 'other', userId: 'somebody' });
  expect((await store.holds.list(tenantId)).map(({ holdId }) => holdId)).toEqual(['other']);
});

test('a hold keeps what it is on: its id does not move to another user', async () => {
  const tenantId = 'moved';
  await put({ tenantId, holdId: 'h', userId: 'ann' });
  await expect(put({ tenantId, holdId: 'h', userId: 'bob' })).rejects.toMatchObject({ reason: 'IDEMPOTENCY_CONFLICT' });
  expect(await store.holds.list(tenantId)).toMatchObject([{ holdId: 'h', userId: 'ann' }]);
  await put({ tenantId, holdId: 'h', userId: 'ann' });
});

test('one that was refused does not stand because it is put a second time', async () => {
  const tenantId = 'twice';
  const hold = { tenantId, holdId: 'h', userId: 'ann' };
  await store.jobs.create({ ...aJob(tenantId, 'ann'), step: 'keys', destroying: true, dueAtMs: lease() });
  // As a process leaves it that ends between keeping it and looking.
  await store.holds.put({ ...hold, conversationId: '', reason: '', putBy: '', putAtMs: 1 });
  await expect(put(hold)).rejects.toMatchObject({ reason: 'FAILED_PRECONDITION' });
  expect(await store.holds.list(tenantId)).toEqual([]);
});

test('a hold is answered when the step of a sweep has ended that may not have seen it', async () => {
  const tenantId = 'swept';
  const sweep = { ...aJob(tenantId, '', JobKind.JOB_KIND_RETENTION), destroying: true, dueAtMs: lease() };
  await store.jobs.create(sweep);
  let answered = false;
  const putting = put({ tenantId, holdId: 'h', userId: 'ann' }).then(() => {
    answered = true;
  });
  for (let looks = 0; looks < 20; looks++) await store.holds.list(tenantId);
  expect([answered, (await store.holds.list(tenantId)).length]).toEqual([false, 1]);
  await store.jobs.replace({ ...sweep, rev: 1, step: 'conversations' });
  await putting;
});
