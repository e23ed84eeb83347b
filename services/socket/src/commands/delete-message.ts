import { Topic } from '@caas/event-log';
import { fail } from '@caas/kit';
import { encodeMessage } from '@caas/kit/encode';
import { MessageDeleted } from '@caas/proto/caas/events/v1/message_events';
import { DeleteScope } from '@caas/proto/caas/socket/v1/commands';
import { assertOpen, manages } from '../model/rules.ts';
import { actingMember, committedMessage, publishEvent, publishUserAction } from './act.ts';
import { actOf } from './audited.ts';
import { accepted, type Command, type CommandContext, type RequestOf, type Result } from './command.ts';

/** Deletes a message for oneself or for everyone. */
export const deleteMessage: Command<'deleteMessage'> = async (context, request) => {
  switch (request.scope) {
    case DeleteScope.DELETE_SCOPE_FOR_ME:
      return forMe(context, request);
    case DeleteScope.DELETE_SCOPE_FOR_EVERYONE:
      return forEveryone(context, request);
    default:
      // Never by default: what is deleted for everyone does not come back.
      return fail('INVALID_ARGUMENT', 'scope is required', { details: { field: 'scope' } });
  }
};

const forMe = async (context: CommandContext, request: RequestOf<'deleteMessage'>): Promise<Result> => {
  const { conversationId, messageId } = request;
  await committedMessage(context, await actingMember(context, conversationId), messageId);
  await publishUserAction(context, conversationId, { $case: 'messageHidden', value: { messageId } });
  return accepted(context, messageId, 0, context.node.clock.now());
};

const forEveryone = async (context: CommandContext, request: RequestOf<'deleteMessage'>): Promise<Result> => {
  const { node, connection } = context;
  const { tenantId, userId } = connection.claims;
  const { conversationId, messageId } = request;
  const acting = await actingMember(context, conversationId);
  const message = await committedMessage(context, acting, messageId);
  const acceptedAtMs = node.clock.now();
  assertOpen(acting.rules);
  if (message.senderId !== userId && !manages(acting.member.role)) {
    fail('PERMISSION_DENIED', 'only its sender, admins and owners delete a message for everyone');
  }
  const event: MessageDeleted = { tenantId, conversationId, messageId, deleterId: userId, acceptedAtMs };
  const value = encodeMessage(MessageDeleted, event);
  const details = { sender_id: message.senderId };
  // What nobody can prove to have been deleted is not deleted.
  await node.audit.first(actOf(context, 'message.deleted', { subjectId: messageId, conversationId, details }), () =>
    publishEvent(context, Topic.messageDeleted, 'MessageDeleted', conversationId, value),
  );
  return accepted(context, messageId, 0, acceptedAtMs);
};
