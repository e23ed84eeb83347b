import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import { type HoldRecord, type JobRecord, maxHolds } from '@caas/privacy-store';
import {
  JobKind,
  type PutLegalHoldRequest,
  type PutLegalHoldResponse,
} from '@caas/proto/caas/compliance/v1/privacy_service';
import { rulesPage, sweepWaitMs, sweepWaitPollMs } from '../limits.ts';
import type { PrivacyCore } from '../privacy/core.ts';
import { isBeforeLook } from '../privacy/erasure.ts';
import { actorOf } from '../privacy/jobs.ts';

const isOn = (a: HoldRecord, b: HoldRecord): boolean => a.userId === b.userId && a.conversationId === b.conversationId;

/** The erasure among jobs that destroys what a hold would keep; undefined: there is none. */
const tooLateAmong = async (
  { messages }: PrivacyCore,
  { tenantId, userId, conversationId }: HoldRecord,
  jobs: readonly JobRecord[],
): Promise<JobRecord | undefined> => {
  const erasures = jobs.filter(({ kind }) => kind === JobKind.JOB_KIND_ERASURE);
  if (userId !== '') return erasures.find((job) => job.userId === userId);
  if (conversationId === '') return erasures[0];
  const keys = erasures.map((job) => ({ tenantId, conversationId, userId: job.userId }));
  const found = keys.length === 0 ? [] : await messages.participants.getMany(keys);
  return erasures[found.findIndex((participant) => participant !== undefined)];
};

/** A step of a sweep that is under way may have looked for holds before this one was there: the next one does not. */
const pastStep = async ({ store, clock }: PrivacyCore, sweep: JobRecord): Promise<void> => {
  const untilMs = performance.now() + sweepWaitMs;
  while (performance.now() < untilMs) {
    const now = await store.jobs.get(sweep.tenantId, sweep.jobId);
    // Past its time nobody has it: who takes it looks anew.
    if (!now || now.rev !== sweep.rev || now.dueAtMs <= clock.now()) return;
    await sleep(sweepWaitPollMs);
  }
  fail('UNAVAILABLE', 'a sweep of retention is under way; the hold stands, put it again to know that it counts');
};

/** Throws when what a hold would keep is being destroyed; waits for what may not have seen it. */
const assertInTime = async (core: PrivacyCore, hold: HoldRecord, granted: HoldRecord | undefined): Promise<void> => {
  const { store } = core;
  for (let afterJobId = ''; ; ) {
    const jobs = await store.jobs.destroying(hold.tenantId, afterJobId, rulesPage);
    const tooLate = await tooLateAmong(core, hold, jobs);
    if (tooLate) {
      // One that was granted is seen by the erasure's first step; past that step there was none.
      if (granted && isBeforeLook(tooLate)) await store.holds.put(granted);
      else await store.holds.remove(hold.tenantId, hold.holdId);
      fail('FAILED_PRECONDITION', 'an erasure has begun to destroy what it would hold', {
        details: { job_id: tooLate.jobId },
      });
    }
    for (const job of jobs) if (job.kind === JobKind.JOB_KIND_RETENTION) await pastStep(core, job);
    const last = jobs.at(-1);
    if (!last) return;
    afterJobId = last.jobId;
  }
};

/** Keeps a hold; then looks whether it came too late: an erasure looks for holds after it has said that it begins. */
const put = async (core: PrivacyCore, hold: HoldRecord): Promise<HoldRecord> => {
  const { store } = core;
  const before = (await store.holds.list(hold.tenantId)).find(({ holdId }) => holdId === hold.holdId);
  // Else what it kept until now would be kept no more, and nobody told.
  if (before && !isOn(before, hold))
    fail('IDEMPOTENCY_CONFLICT', 'the hold is on something else: release it first', { details: { field: 'hold_id' } });
  if (!(await store.holds.put(hold)))
    fail('LIMIT_EXCEEDED', 'the tenant has too many legal holds', {
      details: { limit: 'maxHolds', value: String(maxHolds), unit: 'holds' },
    });
  await assertInTime(core, hold, before);
  return hold;
};

/** Puts a user, a conversation or the tenant under legal hold. */
export const putLegalHold =
  (core: PrivacyCore) =>
  async (
    { hold }: PutLegalHoldRequest,
    context: Pick<CallContext, 'caller' | 'traceparent'>,
  ): Promise<PutLegalHoldResponse> => {
    if (!hold) return fail('INVALID_ARGUMENT', 'hold is missing', { details: { field: 'hold' } });
    const { tenantId, holdId, userId, conversationId } = hold;
    if (userId !== '' && conversationId !== '')
      fail('INVALID_ARGUMENT', 'a hold is on a user or a conversation', { details: { field: 'conversation_id' } });
    const actor = actorOf(hold.putBy, context);
    const record = { ...hold, putBy: actor.id, putAtMs: core.clock.now() };
    const details = {
      ...(userId !== '' && { user_id: userId }),
      held: userId !== '' ? 'user' : conversationId !== '' ? 'conversation' : 'tenant',
    };
    const about = { subjectId: holdId, conversationId, traceparent: context.traceparent, details };
    const act = { tenantId, action: 'privacy.hold_put', actor, ...about } as const;
    return { hold: await core.writer.first(act, () => put(core, record)) };
  };
