import { type ConversationKey, isActive, type MessageStore, maxDocumentsPerCall } from '@caas/message-store';
import { ParticipantState } from '@caas/proto/caas/events/v1/content';
import type { MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { Assembled } from './assembly.ts';

const lastSeq = Number.MAX_SAFE_INTEGER;

/** Whether a run before this one has left messages of the conversation. */
export const hasMessages = async (store: MessageStore, key: ConversationKey): Promise<boolean> =>
  (await store.messages.page(key, { fromSeq: 1, toSeq: lastSeq, limit: 1, from: 'oldest' })).length > 0;

/**
 * Takes what a run before wrote and the old side has no more out of every reader's way, before the head is committed: else
 * there would be two messages with one seq, and members who are none. The store removes nothing, so a message becomes a
 * tombstone at seq 0 and rev 0, which no page, count or sync covers, and a member one who left.
 */
export const clearLeftOvers = async (
  store: MessageStore,
  { conversation, participants }: Assembled,
  messageIds: ReadonlySet<string>,
): Promise<void> => {
  const { epoch, headRev } = conversation;
  for (let fromSeq = 1; ; ) {
    const range = { fromSeq, toSeq: lastSeq, limit: maxDocumentsPerCall, from: 'oldest' as const };
    const page = await store.messages.page(conversation, range);
    await store.messages.write(page.filter((m) => !messageIds.has(m.messageId)).map((m) => buried(m, epoch)));
    if (page.length < maxDocumentsPerCall) break;
    // The last seq again: the next page may begin with another message of it.
    fromSeq = (page.at(-1) as MessageDocument).seq;
  }
  const there = new Set(participants.map(({ userId }) => userId));
  for (let afterUserId = ''; ; ) {
    const limit = maxDocumentsPerCall;
    const page = await store.participants.ofConversation(conversation, { afterUserId, limit, activeOnly: false });
    const gone = page.filter((p) => isActive(p) && !there.has(p.userId));
    await store.participants.write(gone.map((p) => departed(p, epoch, headRev)));
    if (page.length < limit) return;
    afterUserId = (page.at(-1) as ParticipantDocument).userId;
  }
};

const buried = (document: MessageDocument, epoch: number): MessageDocument => ({
  ...document,
  epoch,
  seq: 0,
  rev: 0,
  content: undefined,
  edits: [],
  reactions: [],
  pinnedAtMs: 0,
  pinnedBy: '',
  threadRootId: '',
  deletedAtMs: Math.max(1, document.acceptedAtMs),
});

const departed = (document: ParticipantDocument, epoch: number, rev: number): ParticipantDocument => ({
  ...document,
  epoch,
  rev,
  state: ParticipantState.PARTICIPANT_STATE_LEFT,
  leftAtMs: Math.max(1, document.joinedAtMs),
});
