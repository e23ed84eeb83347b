import { createHash } from 'node:crypto';
import { userIdOf } from '@caas/account-store';
import { ConversationKind, ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { oldMessageIdOf } from '../names.ts';
import { maxEditsKept, type OldConversation, type OldMessage, type OldParticipant } from '../old/schema.ts';

/*
 * What has to be equal of a document, as one line, from either side. Written anew from the documents of each, not with what
 * turns the one into the other, so that a fault of the mapping shows.
 */

const timeOf = (date: Date | undefined): number => date?.getTime() ?? 0;
const sorted = (map: Readonly<Record<string, string>> | undefined) =>
  Object.entries(map ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));

/** `tenantId` is that of CAAS. */
export const oldMessageLine = (tenantId: string, m: OldMessage): string => {
  const user = (id: string | undefined): string => (id === undefined ? '' : userIdOf(tenantId, id));
  const saidInCaas = m.caas?.tenantId === tenantId ? m.caas.acceptedAt : undefined;
  const standing = m.deletedAt === undefined;
  const reactions: [kind: string, users: string[]][] = [];
  for (const { emoji, userId } of standing ? (m.reactions ?? []) : []) {
    const users = reactions.find(([kind]) => kind === emoji)?.[1];
    if (users === undefined) reactions.push([emoji, [user(userId)]]);
    else if (!users.includes(user(userId))) users.push(user(userId));
  }
  return JSON.stringify([
    m._id.toHexString(),
    user(m.senderId),
    timeOf(saidInCaas ?? m.createdAt),
    standing ? (m.text ?? '') : null,
    standing ? (m.attachments ?? []).map((a) => [a.id, a.name, a.mimeType, a.size]) : [],
    standing ? (m.mentions ?? []).map(user) : [],
    standing ? sorted(m.metadata) : [],
    m.forwardedFrom ? user(m.forwardedFrom.senderId) : '',
    m.replyTo !== undefined,
    m.threadId !== undefined,
    timeOf(m.editedAt),
    standing ? (m.editHistory ?? []).slice(-maxEditsKept).map((e) => [e.text, timeOf(e.replacedAt)]) : [],
    timeOf(m.deletedAt),
    user(m.deletedBy),
    reactions,
    standing ? timeOf(m.pinnedAt) : 0,
    standing && m.pinnedAt ? user(m.pinnedBy) : '',
  ]);
};

export const newMessageLine = (m: MessageDocument): string => {
  const content = m.content?.body?.$case === 'plain' ? m.content.body.value : undefined;
  return JSON.stringify([
    oldMessageIdOf(m).toHexString(),
    m.senderId,
    m.acceptedAtMs,
    content?.text ?? null,
    (content?.attachments ?? []).map((a) => [a.mediaId, a.name, a.mediaType, a.sizeBytes]),
    content?.mentions ?? [],
    sorted(content?.metadata),
    m.forwardedFrom?.senderId ?? '',
    m.replyToMessageId !== '',
    m.threadRootId !== '',
    m.editedAtMs,
    m.edits.map((e) => [e.content?.body?.$case === 'plain' ? e.content.body.value.text : null, e.replacedAtMs]),
    m.deletedAtMs,
    m.deletedBy,
    m.reactions.map(({ kind, userIds }) => [kind, userIds]),
    m.pinnedAtMs,
    m.pinnedBy,
  ]);
};

export const oldConversationLine = (tenantId: string, c: OldConversation): string => {
  const named = c.type !== 'direct';
  return JSON.stringify([
    c.type,
    named ? (c.name ?? '') : '',
    named ? (c.avatarUrl ?? '') : '',
    sorted(c.metadata),
    userIdOf(tenantId, c.createdBy),
    timeOf(c.createdAt),
    timeOf(c.archivedAt),
  ]);
};

const kinds: Readonly<Record<number, string>> = {
  [ConversationKind.CONVERSATION_KIND_DIRECT]: 'direct',
  [ConversationKind.CONVERSATION_KIND_GROUP]: 'group',
  [ConversationKind.CONVERSATION_KIND_CHANNEL]: 'channel',
};

export const newConversationLine = (c: ConversationDocument): string =>
  JSON.stringify([kinds[c.kind], c.title, c.avatarUrl, sorted(c.metadata), c.createdBy, c.createdAtMs, c.archivedAtMs]);

/** `unread`: messages after the last reading that are neither the user's own nor deleted. */
export const oldMemberLine = (tenantId: string, type: OldConversation['type'], p: OldParticipant, unread: number) => {
  const direct = type === 'direct';
  const isIn = direct || p.leftAt === undefined;
  const removed = p.caas?.removed ?? (p.removedBy !== undefined && p.removedBy !== p.userId);
  const state = isIn ? 'in' : removed ? 'removed' : 'left';
  return JSON.stringify([
    userIdOf(tenantId, p.userId),
    direct ? 'member' : p.role,
    state,
    timeOf(p.joinedAt),
    isIn ? 0 : timeOf(p.leftAt),
    timeOf(p.mutedUntil),
    unread,
  ]);
};

const roles: Readonly<Record<number, string>> = {
  [Role.ROLE_MEMBER]: 'member',
  [Role.ROLE_ADMIN]: 'admin',
  [Role.ROLE_OWNER]: 'owner',
};
const states: Readonly<Record<number, string>> = {
  [ParticipantState.PARTICIPANT_STATE_ACTIVE]: 'in',
  [ParticipantState.PARTICIPANT_STATE_LEFT]: 'left',
  [ParticipantState.PARTICIPANT_STATE_REMOVED]: 'removed',
};

export const newMemberLine = (p: ParticipantDocument, unread: number): string =>
  JSON.stringify([p.userId, roles[p.role], states[p.state], p.joinedAtMs, p.leftAtMs, p.mutedUntilMs, unread]);

/** Counts lines and takes a checksum over them in their order. */
export class LineSum {
  count = 0;
  readonly #hash = createHash('sha256');

  add(line: string): void {
    this.count += 1;
    this.#hash.update(`${line}\n`);
  }

  get checksum(): string {
    return this.#hash.copy().digest('hex');
  }
}
