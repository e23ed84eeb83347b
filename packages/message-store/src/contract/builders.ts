import { ConversationKind, ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { emptyDigest } from '../index.ts';

let counter = 0;
/** An id no other test uses, so that all tests can share one store. */
export const fresh = (kind: string): string => `${kind}-${++counter}`;

/** A conversation of its own for each test, with builders of its documents. */
export const aRoom = () => {
  const key = { tenantId: 't1', conversationId: fresh('conversation') };
  const message = (over: Partial<MessageDocument> = {}): MessageDocument =>
    MessageDocument.fromPartial({
      ...key,
      messageId: fresh('m'),
      clientMsgId: 'c',
      senderId: 'ann',
      seq: 1,
      rev: 1,
      epoch: 1,
      contentHash: Buffer.from('hash'),
      content: { body: { $case: 'plain', value: { text: 'héllo 👋' } } },
      ...over,
    });
  const participant = (userId: string, over: Partial<ParticipantDocument> = {}): ParticipantDocument => ({
    ...ParticipantDocument.fromPartial({ ...key, userId, rev: 1, epoch: 1, visibleFromSeq: 1 }),
    role: Role.ROLE_MEMBER,
    state: ParticipantState.PARTICIPANT_STATE_ACTIVE,
    ...over,
  });
  const head = (headRev: number, epoch: number, over: Partial<ConversationDocument> = {}): ConversationDocument => ({
    ...ConversationDocument.fromPartial({ ...key, digest: emptyDigest }),
    kind: ConversationKind.CONVERSATION_KIND_GROUP,
    headRev,
    epoch,
    ...over,
  });
  return { key, message, participant, head };
};

export type Room = ReturnType<typeof aRoom>;
