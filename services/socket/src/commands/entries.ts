import { fail } from '@caas/kit';
import { created, isActive } from '@caas/message-store';
import type { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { ConversationEntry } from '@caas/proto/caas/socket/v1/resources';
import { conversationView, messageView, participantView } from '../model/views.ts';
import type { CommandContext, Result } from './command.ts';

/** Conversations as they stand in the user's list, with exact unread counts. */
export const entriesOf = async (
  { node, connection }: CommandContext,
  pairs: readonly { own: ParticipantDocument; doc: ConversationDocument }[],
  read: (last: readonly MessageDocument[]) => Promise<readonly MessageDocument[]> = (last) => node.contents.read(last),
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
  const visible = pairs.map(({ own, doc }, i) => {
    const last = isActive(own) && !hidden[i] ? doc.lastMessage : undefined;
    return last && last.seq >= own.visibleFromSeq ? last : undefined;
  });
  const lastOnes = await read(visible.filter((last) => last !== undefined));
  const lastById = new Map(lastOnes.map((last) => [last.messageId, last]));
  return pairs.map(({ own, doc }, i) => {
    const readable = isActive(own);
    const last = lastById.get(visible[i]?.messageId ?? '');
    return {
      conversation: readable ? conversationView(doc) : leftView(doc),
      own: participantView(own, doc.headRev, userId),
      unreadCount: unread[i] ?? 0,
      lastMessage: last && messageView(last, doc.headRev),
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

/** A conversation as it stands for the user. */
export const conversationResult = (context: CommandContext, conversationId: string): Promise<Result> =>
  resultOf(context, conversationId, (last) => context.node.contents.read(last));

/** The same, as the answer to what has changed it: done is done, whether its last message can be read now or not. */
export const changedConversation = (context: CommandContext, conversationId: string): Promise<Result> =>
  resultOf(context, conversationId, (last) => context.node.contents.read(last).catch(() => []));

const resultOf = async (
  context: CommandContext,
  conversationId: string,
  read: (last: readonly MessageDocument[]) => Promise<readonly MessageDocument[]>,
): Promise<Result> => {
  const { tenantId, userId } = context.connection.claims;
  const { store } = context.node;
  const [[doc], [own]] = await Promise.all([
    store.conversations.getMany([{ tenantId, conversationId }]),
    store.participants.getMany([{ tenantId, conversationId, userId }]),
  ]);
  if (!created(doc) || !own) return fail('CONVERSATION_NOT_FOUND', 'no such conversation');
  const [entry] = await entriesOf(context, [{ own, doc }], read);
  return { $case: 'conversation', value: entry as ConversationEntry };
};
