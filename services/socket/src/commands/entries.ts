import { fail } from '@caas/kit';
import { created, isActive } from '@caas/message-store';
import type { ConversationDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { ConversationEntry } from '@caas/proto/caas/socket/v1/resources';
import { conversationView, messageView, participantView } from '../model/views.ts';
import type { CommandContext, Result } from './command.ts';

/** Conversations as they stand in the user's list, with exact unread counts. */
export const entriesOf = async (
  { node, connection }: CommandContext,
  pairs: readonly { own: ParticipantDocument; doc: ConversationDocument }[],
): Promise<ConversationEntry[]> => {
  const { tenantId, userId } = connection.claims;
  const keyOf = (doc: ConversationDocument) => ({ tenantId, conversationId: doc.conversationId, userId });
  const [unread, hidden] = await Promise.all([
    node.store.messages.countUnread(
      pairs.map(({ own, doc }) => ({
        ...keyOf(doc),
        afterSeq: Math.max(own.readSeq, own.visibleFromSeq - 1),
        lastSeq: isActive(own) ? doc.lastSeq : 0,
      })),
    ),
    node.store.messages.areHidden(pairs.map(({ doc }) => ({ ...keyOf(doc), seq: doc.lastMessage?.seq ?? 0 }))),
  ]);
  return pairs.map(({ own, doc }, i) => {
    const readable = isActive(own);
    const last = hidden[i] ? undefined : doc.lastMessage;
    return {
      conversation: readable ? conversationView(doc) : leftView(doc),
      own: participantView(own, doc.headRev, userId),
      unreadCount: unread[i] ?? 0,
      lastMessage: readable && last && last.seq >= own.visibleFromSeq ? messageView(last, doc.headRev) : undefined,
    };
  });
};

/** What is still told of a conversation one has left: that it is. */
const leftView = (doc: ConversationDocument): ConversationEntry['conversation'] => ({
  conversationId: doc.conversationId,
  kind: doc.kind,
  title: '',
  avatarUrl: '',
  metadata: {},
  createdBy: '',
  createdAtMs: 0,
  archivedAtMs: 0,
  historyForNewMembers: false,
  memberCount: 0,
  head: undefined,
  metaRev: 0,
});

/** The answer of commands that change a conversation: how it stands for the user. */
export const conversationResult = async (context: CommandContext, conversationId: string): Promise<Result> => {
  const { tenantId, userId } = context.connection.claims;
  const { store } = context.node;
  const [[doc], [own]] = await Promise.all([
    store.conversations.getMany([{ tenantId, conversationId }]),
    store.participants.getMany([{ tenantId, conversationId, userId }]),
  ]);
  if (!created(doc) || !own) return fail('CONVERSATION_NOT_FOUND', 'no such conversation');
  const [entry] = await entriesOf(context, [{ own, doc }]);
  return { $case: 'conversation', value: entry as ConversationEntry };
};
