import { type LogPosition, recordOf, Topic } from '@caas/event-log';
import { fail } from '@caas/kit';
import { encodeMessage } from '@caas/kit/encode';
import { ConversationUpdated } from '@caas/proto/caas/events/v1/conversation_events';
import type { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { MessageDelivered } from '@caas/proto/caas/events/v1/message_events';
import { UserAction } from '@caas/proto/caas/events/v1/user_action';
import type { ConversationRules, LocalConversation, LocalMember } from '../delivery/local.ts';
import type { CommandContext } from './command.ts';

/** Steps that several verbs share. */

/** Whom a command acts as, where, and the rules it is judged by: never without them. */
export interface ActingMember {
  conversation: LocalConversation;
  member: LocalMember;
  rules: ConversationRules;
}

/** The member a command acts as; CONVERSATION_NOT_FOUND for whoever is none. */
export const actingMember = async (context: CommandContext, conversationId: string): Promise<ActingMember> => {
  const found = await context.node.directory.member(context.connection, conversationId);
  return { ...found, rules: found.conversation.rules ?? fail('CONVERSATION_NOT_FOUND', 'no such conversation') };
};

/** A committed message the member may act on; MESSAGE_NOT_FOUND for any other, tombstones included. */
export const committedMessage = async (
  context: CommandContext,
  { conversation, member }: ActingMember,
  messageId: string,
): Promise<MessageDocument> => {
  const { tenantId, conversationId } = conversation;
  const [[message], [head]] = await Promise.all([
    context.node.store.messages.getMany([{ tenantId, conversationId, messageId }]),
    context.node.store.conversations.getMany([conversation]),
  ]);
  const readable =
    message && head && message.seq <= head.lastSeq && message.seq >= member.visibleFromSeq && message.deletedAtMs === 0;
  if (readable) return message;
  const pending = message
    ? message.seq > (head?.lastSeq ?? 0)
    : context.node.recentSends.isFresh(conversationId, messageId);
  return fail('MESSAGE_NOT_FOUND', 'no such committed message', pending ? soon : {});
};

/** Sends gather before they are committed: one that was accepted a moment ago is there after this time as a rule. */
const soon = { retryable: true, retryAfterMs: 200 };

/** Publishes an event of a conversation and resolves with its place once the log holds it. */
const publish = (
  context: CommandContext,
  topic: Topic,
  type: string,
  conversationId: string,
  value: Uint8Array,
): Promise<LogPosition> => {
  const { tenantId } = context.connection.claims;
  const appended = context.node.messages.writer.append(
    recordOf(topic, type, tenantId, conversationId, value, context.traceparent),
  );
  context.admitted();
  return appended;
};

export const publishEvent = publish;

export const publishUserAction = (
  context: CommandContext,
  conversationId: string,
  act: NonNullable<UserAction['act']>,
): Promise<LogPosition> => {
  const { tenantId, userId } = context.connection.claims;
  const event: UserAction = { tenantId, conversationId, userId, acceptedAtMs: context.node.clock.now(), act };
  return publish(context, Topic.userAction, 'UserAction', conversationId, encodeMessage(UserAction, event));
};

export const publishReceipt = (
  context: CommandContext,
  conversationId: string,
  deliveredSeq: number,
  readSeq: number,
): Promise<LogPosition> => {
  const { tenantId, userId } = context.connection.claims;
  const receipt = { userId, deliveredSeq, readSeq, acceptedAtMs: context.node.clock.now() };
  const event: MessageDelivered = { tenantId, conversationId, notice: { $case: 'receipt', value: receipt } };
  return publish(
    context,
    Topic.messageDelivered,
    'MessageDelivered',
    conversationId,
    encodeMessage(MessageDelivered, event),
  );
};

/** Publishes a change of a conversation and resolves with its place in the log when it is committed. */
export const commitChange = async (
  context: CommandContext,
  conversationId: string,
  change: NonNullable<ConversationUpdated['change']>,
): Promise<LogPosition> => {
  const { tenantId, userId } = context.connection.claims;
  const event: ConversationUpdated = {
    tenantId,
    conversationId,
    actorId: userId,
    acceptedAtMs: context.node.clock.now(),
    change,
  };
  const value = encodeMessage(ConversationUpdated, event);
  const position = await publish(context, Topic.conversationUpdated, 'ConversationUpdated', conversationId, value);
  await context.node.commits.committed(
    { tenantId, conversationId },
    Topic.conversationUpdated,
    position,
    context.node.bounds.commitTimeoutMs,
  );
  return position;
};
