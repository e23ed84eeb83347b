import { type MessageStore, nextDigest } from '@caas/message-store';
import { ConversationKind, ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { Texts } from './texts.ts';

export const tenantId = 'tenant-of-the-bench';
const perCall = 1_000;
/** Users by how many of a thousand conversations they are in. */
export const users = { few: 5, some: 50, many: 500, all: 1_000 } as const;
export const conversationOf = (n: number): string => `conversation-${String(n).padStart(6, '0')}`;

/** Fills a store with messages, in the order of time over all conversations, and lets the users in. */
export const fill = async (store: MessageStore, messages: number, conversations: number): Promise<void> => {
  const texts = new Texts();
  const heads = Array.from({ length: conversations }, (_, n) =>
    ConversationDocument.fromPartial({
      tenantId,
      conversationId: conversationOf(n),
      kind: ConversationKind.CONVERSATION_KIND_GROUP,
      digest: '0000000000000000',
      membersRev: 1,
      headRev: 1,
    }),
  );
  for (let from = 0; from < messages; from += perCall) {
    const batch = Array.from({ length: Math.min(perCall, messages - from) }, (_, i) => {
      const n = from + i;
      const head = heads[Math.floor(texts.random() * conversations)] as ConversationDocument;
      const messageId = `message-${n}`;
      head.lastSeq += 1;
      head.headRev += 1;
      head.digest = nextDigest(head.digest, messageId);
      return MessageDocument.fromPartial({
        ...{ tenantId, conversationId: head.conversationId, messageId, clientMsgId: messageId },
        ...{ senderId: `sender-${n % 200}`, seq: head.lastSeq, rev: head.headRev, position: n + 1 },
        acceptedAtMs: 1_700_000_000_000 + n * 500,
        content: { body: { $case: 'plain', value: { text: texts.next() } } },
      });
    });
    await store.messages.write(batch);
  }
  for (let from = 0; from < conversations; from += perCall)
    await store.conversations.commit(
      heads.slice(from, from + perCall).map((document) => ({ expectedHeadRev: 0, document })),
    );
  const participants = Object.entries(users).flatMap(([userId, count]) =>
    Array.from({ length: Math.ceil((count * conversations) / 1_000) }, (_, i) =>
      ParticipantDocument.fromPartial({
        ...{ tenantId, userId, conversationId: conversationOf((i * 7_919) % conversations) },
        ...{ role: Role.ROLE_MEMBER, state: ParticipantState.PARTICIPANT_STATE_ACTIVE, visibleFromSeq: 1 },
      }),
    ),
  );
  for (let from = 0; from < participants.length; from += perCall)
    await store.participants.write(participants.slice(from, from + perCall));
};
