import { fail } from '@caas/kit';
import { assertClientId } from '../model/content.ts';
import { nothing } from '../model/message-id.ts';
import { messageView } from '../model/views.ts';
import { actingMember, committedMessage } from './act.ts';
import type { Command, CommandContext, RequestOf } from './command.ts';
import { send, type Words } from './send-message.ts';

/** Sends what a readable message says to another conversation. */
export const forwardMessage: Command<'forwardMessage'> = async (context, request) => {
  assertClientId(request.clientMsgId, 'client_msg_id');
  const said = { content: nothing, replyToMessageId: '', threadRootId: '', forwardedMessageId: request.messageId };
  const { toConversationId: conversationId, clientMsgId, retry } = request;
  return send(context, { conversationId, clientMsgId, retry, said }, () => originalOf(context, request));
};

/** What the original says now, to who may read it. */
const originalOf = async (context: CommandContext, request: RequestOf<'forwardMessage'>): Promise<Words> => {
  const from = await actingMember(context, request.fromConversationId);
  const committed = await committedMessage(context, from, request.messageId);
  const [original = committed] = await context.node.contents.read([committed]);
  const { conversationId, messageId, senderId } = original;
  const content = messageView(original, original.rev).content ?? fail('MESSAGE_NOT_FOUND', 'no such committed message');
  return { content, forwardedFrom: { conversationId, messageId, senderId } };
};
