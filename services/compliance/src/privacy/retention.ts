import { traceparentIn } from '@caas/kit';
import type { JobRecord } from '@caas/privacy-store';
import { JobState } from '@caas/proto/caas/compliance/v1/privacy_service';
import type { ConversationDocument } from '@caas/proto/caas/events/v1/documents';
import { stretchMs } from '../limits.ts';
import type { PrivacyCore } from './core.ts';
import { Holds } from './holds.ts';
import type { StepOutcome } from './runner.ts';
import { conversationAt, messagesAfter } from './scan.ts';
import { append, deletionOf } from './tombstones.ts';

/** Where a sweep is. JSON. */
interface SweepMemo {
  /** Conversation it is in, or has ended with when `seq` is -1; empty: none yet. */
  conversationId: string;
  /** Last message it has seen there. */
  seq: number;
}

interface Sweeping {
  core: PrivacyCore;
  job: JobRecord;
  memo: SweepMemo;
}

/** How long a conversation's messages are kept; undefined: for ever. */
const keepMsOf = async ({ store }: PrivacyCore, { tenantId, conversationId }: ConversationDocument) => {
  const [own, common] = await store.retention.getMany(tenantId, [conversationId, '']);
  return (own ?? common)?.keepMs;
};

/** One read of a conversation: what is past its time goes, or is counted. Ends with the first read that holds younger ones. */
const sweepOn = async (sweeping: Sweeping, conversation: ConversationDocument): Promise<void> => {
  const { core, job, memo } = sweeping;
  const keepMs = await keepMsOf(core, conversation);
  const messages = keepMs === undefined ? [] : await messagesAfter(core.messages, conversation, memo.seq);
  const beforeMs = core.clock.now() - (keepMs ?? 0);
  const due = messages.filter(({ deletedAtMs, acceptedAtMs }) => deletedAtMs === 0 && acceptedAtMs < beforeMs);
  // Read each time: a hold counts from when it is put.
  const holds = new Holds(due.length > 0 ? await core.store.holds.list(job.tenantId) : []);
  const going = due.filter(({ conversationId, senderId }) => !holds.holds(conversationId, senderId));
  job.heldBack += due.length - going.length;
  job.wouldGo += going.length;
  if (!job.dryRun) {
    const moment = { nowMs: core.clock.now(), traceparent: traceparentIn(job.traceId) };
    await append(
      core,
      going.map((message) => deletionOf(message, '', moment)),
    );
  }
  job.doneUnits += messages.length;
  const last = messages.at(-1);
  memo.seq = last && last.acceptedAtMs < beforeMs && last.seq < conversation.lastSeq ? last.seq : -1;
};

/** The conversation a sweep is in, or the next one. */
const next = async ({ core, job: { tenantId }, memo }: Sweeping): Promise<ConversationDocument | undefined> => {
  const { conversations } = core.messages;
  const key = { tenantId, conversationId: memo.conversationId };
  if (memo.seq >= 0) return conversationAt(core.messages, key);
  return (await conversations.list(memo.conversationId === '' ? undefined : key, 1, tenantId))[0];
};

const done = ({ core, job }: Sweeping): StepOutcome => {
  const { tenantId, jobId, wouldGo, heldBack, doneUnits, dryRun } = job;
  const details = { dry_run: String(dryRun), messages: String(wouldGo), held_back: String(heldBack) };
  const actor = { kind: 'operator', id: job.startedBy } as const;
  const traceparent = traceparentIn(job.traceId);
  core.writer.record({ tenantId, action: 'privacy.retention_done', actor, subjectId: jobId, traceparent, details });
  return { state: JobState.JOB_STATE_DONE, wouldGo, heldBack, doneUnits };
};

/** Goes on with a sweep for a while. What is under hold when it is come to stays. */
export const retentionStep = async (core: PrivacyCore, given: JobRecord): Promise<StepOutcome> => {
  // Said before the first hold is looked for: who puts one waits for the step that may not have seen it.
  if (!given.dryRun && !given.destroying) return { destroying: true };
  const job = { ...given };
  const memo: SweepMemo = { conversationId: '', seq: -1, ...(JSON.parse(job.memo) as Partial<SweepMemo>) };
  const sweeping = { core, job, memo };
  const untilMs = performance.now() + stretchMs;
  do {
    const conversation = await next(sweeping);
    if (!conversation) return done(sweeping);
    if (memo.seq < 0) Object.assign(memo, { conversationId: conversation.conversationId, seq: 0 });
    await sweepOn(sweeping, conversation);
  } while (performance.now() < untilMs);
  const { doneUnits, wouldGo, heldBack } = job;
  return { step: 'conversations', memo: JSON.stringify(memo), doneUnits, wouldGo, heldBack };
};
