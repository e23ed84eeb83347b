import { fail } from '@caas/kit';
import { ConversationKind, ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { ObjectId } from 'mongodb';

/*
 * Documents of CAAS as fields of the old collections, in the words of docs/migration.md.
 */

/** What the old service calls a user of CAAS. */
export type OldUserOf = (userId: string) => string;

const dateOf = (atMs: number): Date | null => (atMs > 0 ? new Date(atMs) : null);

const plainOf = (content: MessageDocument['content']) => {
  if (content === undefined) return undefined;
  if (content.body?.$case === 'plain') return content.body.value;
  return fail(
    'FAILED_PRECONDITION',
    'a message is sealed and cannot be written back: the nodes were to run with SOCKET_SEAL_CONTENT=false',
  );
};

/** Users a message names. */
export const usersIn = (m: MessageDocument): string[] => [
  m.senderId,
  m.deletedBy,
  m.pinnedBy,
  m.forwardedFrom?.senderId ?? '',
  ...(plainOf(m.content)?.mentions ?? []),
  ...m.reactions.flatMap(({ userIds }) => userIds),
];

/** What may change of a message. `urls`: of attachments, by id; only the old service knows where their bytes are. */
export const changeableFields = (m: MessageDocument, oldUser: OldUserOf, urls: ReadonlyMap<string, unknown>) => {
  const content = plainOf(m.content);
  return {
    text: content?.text ?? null,
    attachments: (content?.attachments ?? []).map(({ mediaId, name, mediaType, sizeBytes }) => ({
      id: mediaId,
      name,
      mimeType: mediaType,
      size: sizeBytes,
      url: urls.get(mediaId) ?? null,
    })),
    mentions: (content?.mentions ?? []).map(oldUser),
    metadata: content?.metadata ?? {},
    editedAt: dateOf(m.editedAtMs),
    editHistory: m.edits.map(({ content: earlier, replacedAtMs }) => ({
      text: plainOf(earlier)?.text ?? '',
      replacedAt: new Date(replacedAtMs),
    })),
    deletedAt: dateOf(m.deletedAtMs),
    deletedBy: m.deletedBy === '' ? null : oldUser(m.deletedBy),
    reactions: m.reactions.flatMap(({ kind, userIds }) =>
      userIds.map((userId) => ({ emoji: kind, userId: oldUser(userId) })),
    ),
    pinnedAt: dateOf(m.pinnedAtMs),
    pinnedBy: m.pinnedBy === '' ? null : oldUser(m.pinnedBy),
  };
};

/** What never changes of a message that was said in CAAS. `oldIds`: of the messages it refers to, by message id. */
export const fixedFields = (
  m: MessageDocument,
  oldUser: OldUserOf,
  oldIds: ReadonlyMap<string, ObjectId>,
  createdAtMs: number,
) => {
  const original = m.forwardedFrom && oldIds.get(m.forwardedFrom.messageId);
  return {
    senderId: oldUser(m.senderId),
    type: 'text',
    clientMessageId: m.clientMsgId,
    replyTo: oldIds.get(m.replyToMessageId) ?? null,
    threadId: oldIds.get(m.threadRootId) ?? null,
    forwardedFrom: original ? { messageId: original, senderId: oldUser(m.forwardedFrom?.senderId ?? '') } : null,
    createdAt: new Date(createdAtMs),
    'caas.messageId': m.messageId,
    'caas.acceptedAt': new Date(m.acceptedAtMs),
  };
};

export const conversationFields = (head: ConversationDocument) => ({
  name: head.title === '' ? null : head.title,
  avatarUrl: head.avatarUrl === '' ? null : head.avatarUrl,
  metadata: head.metadata,
  archivedAt: dateOf(head.archivedAtMs),
  updatedAt: new Date(head.committedAtMs),
});

const kinds: Readonly<Record<number, string>> = {
  [ConversationKind.CONVERSATION_KIND_DIRECT]: 'direct',
  [ConversationKind.CONVERSATION_KIND_GROUP]: 'group',
  [ConversationKind.CONVERSATION_KIND_CHANNEL]: 'channel',
};

/** What a conversation that was created in CAAS has besides. */
export const newConversationFields = (head: ConversationDocument, oldUser: OldUserOf) => ({
  type: kinds[head.kind] ?? fail('INTERNAL', 'a conversation of no kind'),
  createdBy: oldUser(head.createdBy),
  createdAt: new Date(head.createdAtMs),
  'caas.conversationId': head.conversationId,
});

const roles: Readonly<Record<number, string>> = {
  [Role.ROLE_MEMBER]: 'member',
  [Role.ROLE_ADMIN]: 'admin',
  [Role.ROLE_OWNER]: 'owner',
};

/** `lastReadAt`: when the last message the user has read was created on the old side. */
export const participantFields = (p: ParticipantDocument, lastReadAt: Date | null, direct: boolean) => ({
  // Roles of direct conversations mean nothing on either side; the old service's stay.
  ...(!direct && { role: roles[p.role] ?? 'member' }),
  joinedAt: new Date(p.joinedAtMs),
  leftAt: p.state === ParticipantState.PARTICIPANT_STATE_ACTIVE ? null : new Date(Math.max(1, p.leftAtMs)),
  lastReadAt,
  mutedUntil: dateOf(p.mutedUntilMs),
  // Who removed somebody stands in no document of CAAS.
  ...(p.state !== ParticipantState.PARTICIPANT_STATE_REMOVED && { removedBy: null }),
  'caas.removed': p.state === ParticipantState.PARTICIPANT_STATE_REMOVED,
});
