import { fail } from '@caas/kit';
import { assertOpen } from '../model/rules.ts';
import { committedMessage, publishUserAction } from './act.ts';
import { accepted, type Command } from './command.ts';

/** Sets or takes back one's own reaction. */
export const setReaction: Command<'setReaction'> = async (context, request) => {
  const { node, connection } = context;
  const { conversationId, messageId, kind, present } = request;
  const acting = await node.directory.member(connection, conversationId);
  if (acting.conversation.rules) assertOpen(acting.conversation.rules);
  const message = await committedMessage(context, acting, messageId);
  const { maxReactionKinds } = connection.limits;
  if (present && message.reactions.length >= maxReactionKinds && !message.reactions.some((r) => r.kind === kind)) {
    fail('LIMIT_EXCEEDED', 'the message has too many kinds of reaction', {
      details: { limit: 'maxReactionKinds', value: String(maxReactionKinds), unit: 'kinds' },
    });
  }
  await publishUserAction(context, conversationId, { $case: 'reactionSet', value: { messageId, kind, present } });
  return accepted(context, messageId, 0, node.clock.now());
};
