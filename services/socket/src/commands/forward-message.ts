import { fail } from '@caas/kit';
import { assertClientId } from '../model/content.ts';
import { messageView } from '../model/views.ts';
import { committedMessage } from './act.ts';
import type { Command } from './command.ts';
import { send } from './send-message.ts';

/** Sends what a readable message says to another conversation. */
export const forwardMessage: Command<'forwardMessage'> = async (context, request) => {
  const { node, connection } = context;
  assertClientId(request.clientMsgId, 'client_msg_id');
  const from = await node.directory.member(connection, request.fromConversationId);
  const original = await committedMessage(context, from, request.messageId);
  const content = messageView(original, original.rev).content ?? fail('MESSAGE_NOT_FOUND', 'no such committed message');
  return send(context, {
    conversationId: request.toConversationId,
    clientMsgId: request.clientMsgId,
    retry: request.retry,
    forwardedFrom: {
      conversationId: original.conversationId,
      messageId: original.messageId,
      senderId: original.senderId,
    },
    send: { content, replyToMessageId: '', threadRootId: '', forwardedMessageId: original.messageId },
  });
};
