import { emptyDigest } from '@caas/message-store';
import { ConversationKind, ParticipantState, type PlainContent, Role } from '@caas/proto/caas/events/v1/content';
import {
  ConversationDocument,
  type EditRecord,
  MessageDocument,
  ParticipantDocument,
  type ReactionRecord,
} from '@caas/proto/caas/events/v1/documents';
import { messageIdFor, type Pair, userIdFor } from '../names.ts';
import { maxEditsKept, type OldConversation, type OldMessage, type OldParticipant } from '../old/schema.ts';

/*
 * Old documents as CAAS has them, but for their place in the conversation: seq, position, digest, rev, epoch.
 */

const at = (date: Date | undefined): number => date?.getTime() ?? 0;
/** Where 0 means "not". */
const once = (date: Date | undefined): number => (date === undefined ? 0 : Math.max(1, date.getTime()));

const plain = (content: Partial<PlainContent>): MessageDocument['content'] => ({
  body: { $case: 'plain', value: { text: '', attachments: [], mentions: [], metadata: {}, ...content } },
});

const contentOf = (pair: Pair, old: OldMessage): MessageDocument['content'] =>
  plain({
    text: old.text ?? '',
    attachments: (old.attachments ?? []).map(({ id, name, mimeType, size }) => ({
      mediaId: id,
      name,
      mediaType: mimeType,
      sizeBytes: size,
    })),
    mentions: (old.mentions ?? []).map((user) => userIdFor(pair, user)),
    metadata: old.metadata ?? {},
  });

/** By kind, in order of first use; a user counts once a kind. */
const reactionsOf = (pair: Pair, old: OldMessage): ReactionRecord[] => {
  const kinds = new Map<string, Set<string>>();
  for (const { emoji, userId } of old.reactions ?? []) {
    const users = kinds.get(emoji) ?? new Set();
    kinds.set(emoji, users.add(userIdFor(pair, userId)));
  }
  return [...kinds].map(([kind, users]) => ({ kind, userIds: [...users] }));
};

const editsOf = (old: OldMessage): EditRecord[] =>
  (old.editHistory ?? [])
    .slice(-maxEditsKept)
    .map(({ text, replacedAt }) => ({ content: plain({ text }), replacedAtMs: at(replacedAt) }));

const standing = (pair: Pair, old: OldMessage): Partial<MessageDocument> => ({
  content: contentOf(pair, old),
  edits: editsOf(old),
  reactions: reactionsOf(pair, old),
  pinnedAtMs: once(old.pinnedAt),
  pinnedBy: old.pinnedAt && old.pinnedBy ? userIdFor(pair, old.pinnedBy) : '',
});

/** What is deleted keeps its place and loses the rest. */
const tombstone = (pair: Pair, old: OldMessage): Partial<MessageDocument> => ({
  deletedAtMs: once(old.deletedAt),
  deletedBy: old.deletedBy ? userIdFor(pair, old.deletedBy) : '',
});

export const messageDocument = (pair: Pair, conversationId: string, old: OldMessage): MessageDocument => ({
  ...MessageDocument.fromPartial({}),
  tenantId: pair.tenantId,
  conversationId,
  messageId: messageIdFor(pair, old._id),
  clientMsgId: old._id.toHexString(),
  senderId: userIdFor(pair, old.senderId),
  replyToMessageId: old.replyTo ? messageIdFor(pair, old.replyTo) : '',
  threadRootId: old.threadId ? messageIdFor(pair, old.threadId) : '',
  forwardedFrom: old.forwardedFrom && {
    // The old service did not keep it.
    conversationId: '',
    messageId: messageIdFor(pair, old.forwardedFrom.messageId),
    senderId: userIdFor(pair, old.forwardedFrom.senderId),
  },
  acceptedAtMs: at(old.createdAt),
  editedAtMs: once(old.editedAt),
  editCount: Math.max(old.editHistory?.length ?? 0, old.editedAt ? 1 : 0),
  ...(old.deletedAt ? tombstone(pair, old) : standing(pair, old)),
});

const roles = { member: Role.ROLE_MEMBER, admin: Role.ROLE_ADMIN, owner: Role.ROLE_OWNER } as const;

const stateOf = ({ leftAt, removedBy, userId, caas }: OldParticipant): ParticipantState => {
  if (!leftAt) return ParticipantState.PARTICIPANT_STATE_ACTIVE;
  const byAnother = caas?.removed ?? (removedBy !== undefined && removedBy !== userId);
  return byAnother ? ParticipantState.PARTICIPANT_STATE_REMOVED : ParticipantState.PARTICIPANT_STATE_LEFT;
};

/** Everybody sees everything, as in the old service. A direct conversation has no roles, and nobody leaves it. */
export const participantDocument = (
  pair: Pair,
  conversationId: string,
  old: OldParticipant,
  direct: boolean,
): ParticipantDocument => ({
  ...ParticipantDocument.fromPartial({}),
  tenantId: pair.tenantId,
  conversationId,
  userId: userIdFor(pair, old.userId),
  role: direct ? Role.ROLE_MEMBER : roles[old.role],
  wasRole: Role.ROLE_MEMBER,
  state: direct ? ParticipantState.PARTICIPANT_STATE_ACTIVE : stateOf(old),
  joinedAtMs: at(old.joinedAt),
  leftAtMs: direct ? 0 : once(old.leftAt),
  visibleFromSeq: 1,
  mutedUntilMs: at(old.mutedUntil),
});

const kinds = {
  direct: ConversationKind.CONVERSATION_KIND_DIRECT,
  group: ConversationKind.CONVERSATION_KIND_GROUP,
  channel: ConversationKind.CONVERSATION_KIND_CHANNEL,
} as const;

export const conversationDocument = (
  pair: Pair,
  conversationId: string,
  old: OldConversation,
): ConversationDocument => {
  const direct = old.type === 'direct';
  return {
    ...ConversationDocument.fromPartial({}),
    tenantId: pair.tenantId,
    conversationId,
    kind: kinds[old.type],
    title: direct ? '' : (old.name ?? ''),
    avatarUrl: direct ? '' : (old.avatarUrl ?? ''),
    metadata: old.metadata ?? {},
    createdBy: userIdFor(pair, old.createdBy),
    createdAtMs: at(old.createdAt),
    archivedAtMs: once(old.archivedAt),
    historyForNewMembers: true,
    digest: emptyDigest,
    committedAtMs: at(old.createdAt),
  };
};
