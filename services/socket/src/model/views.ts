import type { User as UserRecord } from '@caas/account-store';
import type { MessageContent, PlainContent } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument, MessageDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { MessageSent } from '@caas/proto/caas/events/v1/message_events';
import type { Conversation, Head, Message, Participant, User } from '@caas/proto/caas/socket/v1/resources';
import { decidedPositionOf } from './decided.ts';
import { isUnreadable } from './readable.ts';

/** Documents and events as clients see them. */

/** Content for a reader; it has been read before it comes here. */
const readable = (content: MessageContent | undefined): PlainContent | undefined =>
  content?.body?.$case === 'plain' ? content.body.value : undefined;

/** An accepted message, not yet committed. */
export const acceptedMessage = (sent: MessageSent, position: number, traceId: string): Message => ({
  messageId: sent.messageId,
  conversationId: sent.conversationId,
  senderId: sent.senderId,
  clientMsgId: sent.clientMsgId,
  position,
  seq: 0,
  rev: 0,
  content: readable(sent.content),
  replyToMessageId: sent.replyToMessageId,
  threadRootId: sent.threadRootId,
  forwardedFrom: sent.forwardedFrom,
  acceptedAtMs: sent.acceptedAtMs,
  editedAtMs: 0,
  deletedAtMs: 0,
  deletedBy: '',
  reactions: [],
  pinnedAtMs: 0,
  pinnedBy: '',
  traceId,
  unreadable: isUnreadable(sent.content),
});

/**
 * A committed message. A change that is written but not yet committed may already be in it; its rev is then clamped to
 * the head it was read at, so that the change is told again when it is committed.
 */
export const messageView = (doc: MessageDocument, headRev: number): Message => ({
  messageId: doc.messageId,
  conversationId: doc.conversationId,
  senderId: doc.senderId,
  clientMsgId: doc.clientMsgId,
  position: doc.position,
  seq: doc.seq,
  rev: Math.min(doc.rev, headRev),
  content: readable(doc.content),
  replyToMessageId: doc.replyToMessageId,
  threadRootId: doc.threadRootId,
  forwardedFrom: doc.forwardedFrom,
  acceptedAtMs: doc.acceptedAtMs,
  editedAtMs: doc.editedAtMs,
  deletedAtMs: doc.deletedAtMs,
  deletedBy: doc.deletedBy,
  reactions: doc.reactions,
  pinnedAtMs: doc.pinnedAtMs,
  pinnedBy: doc.pinnedBy,
  traceId: doc.traceId,
  unreadable: isUnreadable(doc.content),
});

export const headView = (doc: ConversationDocument, prevHeadRev = 0): Head => ({
  conversationId: doc.conversationId,
  prevHeadRev,
  headRev: doc.headRev,
  lastSeq: doc.lastSeq,
  lastPosition: doc.lastPosition,
  digest: doc.digest,
  decidedPosition: pastLast(doc.lastPosition, decidedPositionOf(doc.lastPosition, doc.offsets)),
});

/** Decided positions are told where they say more than the last message's does. */
export const pastLast = (lastPosition: number, decidedPosition: number): number =>
  decidedPosition > lastPosition ? decidedPosition : 0;

export const conversationView = (doc: ConversationDocument): Conversation => ({
  conversationId: doc.conversationId,
  kind: doc.kind,
  title: doc.title,
  avatarUrl: doc.avatarUrl,
  metadata: doc.metadata,
  createdBy: doc.createdBy,
  createdAtMs: doc.createdAtMs,
  archivedAtMs: doc.archivedAtMs,
  historyForNewMembers: doc.historyForNewMembers,
  memberCount: doc.memberCount,
  head: headView(doc),
  metaRev: doc.metaRev,
});

/** A participant as `viewerId` sees it: what is private is in one's own only. */
export const participantView = (doc: ParticipantDocument, headRev: number, viewerId: string): Participant => ({
  conversationId: doc.conversationId,
  userId: doc.userId,
  role: doc.role,
  state: doc.state,
  joinedAtMs: doc.joinedAtMs,
  deliveredSeq: doc.deliveredSeq,
  readSeq: doc.readSeq,
  rev: Math.min(doc.rev, headRev),
  mutedUntilMs: doc.userId === viewerId ? doc.mutedUntilMs : 0,
  visibleFromSeq: doc.userId === viewerId ? doc.visibleFromSeq : 0,
});

export const userView = (record: UserRecord): User => ({
  userId: record.userId,
  externalId: record.externalId,
  displayName: record.displayName,
  avatarUrl: record.avatarUrl,
  metadata: record.metadata,
  updatedAtMs: record.updatedAtMs,
});
