import { type NewRecord, recordOf, Topic } from '@caas/event-log';
import { chunksOf } from '@caas/kit';
import { encodeMessage } from '@caas/kit/encode';
import type { ConversationKey } from '@caas/message-store';
import { ConversationUpdated } from '@caas/proto/caas/events/v1/conversation_events';
import type { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { MessageDeleted } from '@caas/proto/caas/events/v1/message_events';
import { UserAction } from '@caas/proto/caas/events/v1/user_action';
import { maxAppended } from '../limits.ts';
import type { PrivacyCore } from './core.ts';

/** What privacy changes in conversations, as events that the persistence workers apply like those of users. */

export interface Moment {
  nowMs: number;
  traceparent: string;
}

const keyOf = ({ tenantId, conversationId }: ConversationKey): ConversationKey => ({ tenantId, conversationId });

/** Makes a message a tombstone; `deleterId` empty: nobody, its time had come. */
export const deletionOf = (message: MessageDocument, deleterId: string, { nowMs, traceparent }: Moment): NewRecord => {
  const { tenantId, conversationId, messageId } = message;
  const event: MessageDeleted = { tenantId, conversationId, messageId, deleterId, acceptedAtMs: nowMs };
  const value = encodeMessage(MessageDeleted, event);
  return recordOf(Topic.messageDeleted, 'MessageDeleted', tenantId, conversationId, value, traceparent);
};

/** Takes back a user's reactions to a message. */
export const reactionsOff = (message: MessageDocument, userId: string, { nowMs, traceparent }: Moment): NewRecord[] => {
  const { tenantId, conversationId, messageId, reactions } = message;
  return reactions
    .filter(({ userIds }) => userIds.includes(userId))
    .map(({ kind }) => {
      const act = { $case: 'reactionSet', value: { messageId, kind, present: false, maxKinds: 0 } } as const;
      const event: UserAction = { ...keyOf(message), userId, acceptedAtMs: nowMs, act };
      const value = encodeMessage(UserAction, event);
      return recordOf(Topic.userAction, 'UserAction', tenantId, conversationId, value, traceparent);
    });
};

/** A user leaves a conversation. */
export const leavingOf = (key: ConversationKey, userId: string, { nowMs, traceparent }: Moment): NewRecord => {
  const event: ConversationUpdated = {
    ...keyOf(key),
    actorId: userId,
    acceptedAtMs: nowMs,
    change: { $case: 'membersRemoved', value: { userIds: [userId] } },
  };
  const value = encodeMessage(ConversationUpdated, event);
  const { tenantId, conversationId } = key;
  return recordOf(Topic.conversationUpdated, 'ConversationUpdated', tenantId, conversationId, value, traceparent);
};

/** Appends records in their order, some at a time. */
export const append = async ({ log }: Pick<PrivacyCore, 'log'>, records: readonly NewRecord[]): Promise<void> => {
  for (const chunk of chunksOf(records, maxAppended)) await log.append(chunk);
};
