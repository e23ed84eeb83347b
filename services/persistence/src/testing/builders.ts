import { type NewRecord, Topic } from '@caas/event-log';
import { derivedId, newTraceparent } from '@caas/kit';
import { ConversationKind, Role } from '@caas/proto/caas/events/v1/content';
import { ConversationUpdated } from '@caas/proto/caas/events/v1/conversation_events';
import {
  MessageDeleted,
  MessageDelivered,
  MessageEdited,
  MessageSent,
} from '@caas/proto/caas/events/v1/message_events';
import { UserAction } from '@caas/proto/caas/events/v1/user_action';
import type { ConversationEvent } from '../apply/model.ts';

/** Events of one conversation, with the fields a test doesn't care about filled in. */
export const aConversation = (conversationId: string, tenantId = 't1') => {
  const at = { tenantId, conversationId };
  let nowMs = 1_700_000_000_000;
  const acceptedAtMs = (): number => ++nowMs;
  const updated = (actorId: string, change: NonNullable<ConversationUpdated['change']>): ConversationEvent => ({
    kind: 'updated',
    value: { ...at, actorId, acceptedAtMs: acceptedAtMs(), change },
  });
  const action = (userId: string, act: NonNullable<UserAction['act']>): ConversationEvent => ({
    kind: 'action',
    value: { ...at, userId, acceptedAtMs: acceptedAtMs(), act },
  });
  const plain = (text: string) => ({
    body: { $case: 'plain' as const, value: { text, attachments: [], mentions: [], metadata: {} } },
  });
  const member = (userId: string, role: Role = Role.ROLE_MEMBER) => ({ userId, role });
  const messageId = (clientMsgId: string): string => derivedId('message', tenantId, conversationId, clientMsgId);
  return {
    ...at,
    messageId,
    /** The first user is the owner. */
    created: (userIds: readonly string[], historyForNewMembers = true): ConversationEvent =>
      updated(userIds[0] ?? 'ann', {
        $case: 'created',
        value: {
          kind: ConversationKind.CONVERSATION_KIND_GROUP,
          title: 'title',
          avatarUrl: '',
          metadata: {},
          members: userIds.map((id, i) => member(id, i === 0 ? Role.ROLE_OWNER : Role.ROLE_MEMBER)),
          historyForNewMembers,
        },
      }),
    titled: (title: string): ConversationEvent =>
      updated('ann', { $case: 'metaChanged', value: { title, replaceMetadata: false, metadata: {} } }),
    archived: (archived: boolean): ConversationEvent => updated('ann', { $case: 'archived', value: { archived } }),
    added: (userIds: readonly string[], role: Role = Role.ROLE_MEMBER, maxMembers = 0): ConversationEvent =>
      updated('ann', { $case: 'membersAdded', value: { members: userIds.map((id) => member(id, role)), maxMembers } }),
    removed: (userIds: readonly string[], actorId = 'ann'): ConversationEvent =>
      updated(actorId, { $case: 'membersRemoved', value: { userIds: [...userIds] } }),
    promoted: (userId: string, role: Role): ConversationEvent =>
      updated('ann', { $case: 'roleChanged', value: { userId, role } }),
    sent: (clientMsgId: string, text = clientMsgId, senderId = 'ann'): ConversationEvent => ({
      kind: 'sent',
      value: {
        ...at,
        messageId: messageId(clientMsgId),
        clientMsgId,
        senderId,
        content: plain(text),
        contentHash: Buffer.from(text),
        replyToMessageId: '',
        threadRootId: '',
        forwardedFrom: undefined,
        acceptedAtMs: acceptedAtMs(),
        nodeId: 'node-1',
      },
    }),
    edited: (clientMsgId: string, text: string): ConversationEvent => ({
      kind: 'edited',
      value: {
        ...at,
        messageId: messageId(clientMsgId),
        editorId: 'ann',
        content: plain(text),
        acceptedAtMs: acceptedAtMs(),
      },
    }),
    deleted: (clientMsgId: string): ConversationEvent => ({
      kind: 'deleted',
      value: { ...at, messageId: messageId(clientMsgId), deleterId: 'ann', acceptedAtMs: acceptedAtMs() },
    }),
    reacted: (userId: string, clientMsgId: string, kind: string, present = true, maxKinds = 0): ConversationEvent =>
      action(userId, { $case: 'reactionSet', value: { messageId: messageId(clientMsgId), kind, present, maxKinds } }),
    pinned: (userId: string, clientMsgId: string, pinned = true): ConversationEvent =>
      action(userId, { $case: 'pinSet', value: { messageId: messageId(clientMsgId), pinned } }),
    hidden: (userId: string, clientMsgId: string): ConversationEvent =>
      action(userId, { $case: 'messageHidden', value: { messageId: messageId(clientMsgId) } }),
    muted: (userId: string, mutedUntilMs: number): ConversationEvent =>
      action(userId, { $case: 'muteSet', value: { mutedUntilMs } }),
    received: (userId: string, deliveredSeq: number, readSeq = 0): ConversationEvent => ({
      kind: 'receipt',
      value: { userId, deliveredSeq, readSeq, acceptedAtMs: acceptedAtMs() },
    }),
  };
};

export const topicOf = (event: ConversationEvent): Topic =>
  ({
    sent: Topic.messageSent,
    edited: Topic.messageEdited,
    deleted: Topic.messageDeleted,
    receipt: Topic.messageDelivered,
    updated: Topic.conversationUpdated,
    action: Topic.userAction,
  })[event.kind];

const encodedValue = (event: ConversationEvent, at: { tenantId: string; conversationId: string }): Uint8Array => {
  if (event.kind === 'sent') return MessageSent.encode(event.value).finish();
  if (event.kind === 'edited') return MessageEdited.encode(event.value).finish();
  if (event.kind === 'deleted') return MessageDeleted.encode(event.value).finish();
  if (event.kind === 'updated') return ConversationUpdated.encode(event.value).finish();
  if (event.kind === 'action') return UserAction.encode(event.value).finish();
  return MessageDelivered.encode({ ...at, notice: { $case: 'receipt', value: event.value } }).finish();
};

/** An event as nodes append it. */
export const toRecord = (
  event: ConversationEvent,
  { tenantId, conversationId }: { tenantId: string; conversationId: string },
): NewRecord => ({
  topic: topicOf(event),
  key: conversationId,
  value: encodedValue(event, { tenantId, conversationId }),
  headers: { 'tenant-id': tenantId, traceparent: newTraceparent() },
});
