import { fail } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import { type HoldRecord, maxHolds } from '@caas/privacy-store';
import type { PutLegalHoldRequest, PutLegalHoldResponse } from '@caas/proto/caas/compliance/v1/privacy_service';
import { rulesPage } from '../limits.ts';
import type { PrivacyCore } from '../privacy/core.ts';
import { actorOf } from '../privacy/jobs.ts';

/** The erasure that has begun to destroy what a hold would keep; undefined: there is none. */
const tooLateFor = async ({ store, messages }: PrivacyCore, hold: HoldRecord): Promise<string | undefined> => {
  const { tenantId, conversationId } = hold;
  const destroying = await store.jobs.destroying(tenantId, rulesPage);
  if (hold.userId !== '') return destroying.find(({ userId }) => userId === hold.userId)?.jobId;
  if (conversationId === '') return destroying[0]?.jobId;
  const keys = destroying.map(({ userId }) => ({ tenantId, conversationId, userId }));
  const found = await messages.participants.getMany(keys);
  return destroying[found.findIndex((participant) => participant !== undefined)]?.jobId;
};

/** Keeps a hold; then looks whether it came too late: an erasure looks for holds after it has said that it begins. */
const put = async (core: PrivacyCore, hold: HoldRecord): Promise<HoldRecord> => {
  const { store } = core;
  const before = (await store.holds.list(hold.tenantId)).find(({ holdId }) => holdId === hold.holdId);
  if (!(await store.holds.put(hold)))
    fail('LIMIT_EXCEEDED', 'the tenant has too many legal holds', {
      details: { limit: 'maxHolds', value: String(maxHolds), unit: 'holds' },
    });
  const jobId = await tooLateFor(core, hold);
  if (jobId === undefined) return hold;
  if (before) await store.holds.put(before);
  else await store.holds.remove(hold.tenantId, hold.holdId);
  return fail('FAILED_PRECONDITION', 'an erasure has begun to destroy what it would hold', {
    details: { job_id: jobId },
  });
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
