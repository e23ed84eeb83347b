import { Topic } from '@caas/event-log';
import { fail } from '@caas/kit';
import { encodeMessage } from '@caas/kit/encode';
import { MessageDeleted } from '@caas/proto/caas/events/v1/message_events';
import { DeleteScope } from '@caas/proto/caas/socket/v1/commands';
import { assertOpen, manages } from '../model/rules.ts';
import { committedMessage, publishEvent, publishUserAction } from './act.ts';
import { accepted, type Command } from './command.ts';

/** Deletes a message for oneself or for everyone. */
export const deleteMessage: Command<'deleteMessage'> = async (context, request) => {
  const { node, connection } = context;
  const { tenantId, userId } = connection.claims;
  const { conversationId, messageId, scope } = request;
  if (scope === DeleteScope.DELETE_SCOPE_UNSPECIFIED)
    fail('INVALID_ARGUMENT', 'scope is required', { details: { field: 'scope' } });
  const acting = await node.directory.member(connection, conversationId);
  const message = await committedMessage(context, acting, messageId);
  const acceptedAtMs = node.clock.now();
  if (scope === DeleteScope.DELETE_SCOPE_FOR_ME) {
    await publishUserAction(context, conversationId, { $case: 'messageHidden', value: { messageId } });
    return accepted(context, messageId, 0, acceptedAtMs);
  }
  if (acting.conversation.rules) assertOpen(acting.conversation.rules);
  if (message.senderId !== userId && !manages(acting.member.role)) {
    fail('PERMISSION_DENIED', 'only its sender, admins and owners delete a message for everyone');
  }
  const event: MessageDeleted = { tenantId, conversationId, messageId, deleterId: userId, acceptedAtMs };
  await publishEvent(
    context,
    Topic.messageDeleted,
    'MessageDeleted',
    conversationId,
    encodeMessage(MessageDeleted, event),
  );
  return accepted(context, messageId, 0, acceptedAtMs);
};
