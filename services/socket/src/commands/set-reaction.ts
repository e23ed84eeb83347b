import { fail, maxReactionUsers } from '@caas/kit';
import { assertLine } from '../model/content.ts';
import { assertOpen } from '../model/rules.ts';
import { actingMember, committedMessage, publishUserAction } from './act.ts';
import { accepted, type Command } from './command.ts';

/** Sets or takes back one's own reaction. */
export const setReaction: Command<'setReaction'> = async (context, request) => {
  const { node, connection } = context;
  const { userId } = connection.claims;
  const { conversationId, messageId, kind, present } = request;
  assertLine(kind, 'kind');
  const acting = await actingMember(context, conversationId);
  assertOpen(acting.rules);
  const message = await committedMessage(context, acting, messageId);
  const { maxReactionKinds } = connection.limits;
  if (present && message.reactions.length >= maxReactionKinds && !message.reactions.some((r) => r.kind === kind)) {
    fail('LIMIT_EXCEEDED', 'the message has too many kinds of reaction', {
      details: { limit: 'maxReactionKinds', value: String(maxReactionKinds), unit: 'kinds' },
    });
  }
  const users = message.reactions.reduce((sum, reaction) => sum + reaction.userIds.length, 0);
  const already = message.reactions.some((r) => r.kind === kind && r.userIds.includes(userId));
  if (present && !already && users >= maxReactionUsers) {
    fail('LIMIT_EXCEEDED', 'the message has too many reactions', {
      details: { limit: 'maxReactionUsers', value: String(maxReactionUsers), unit: 'reactions' },
    });
  }
  await publishUserAction(context, conversationId, {
    $case: 'reactionSet',
    value: { messageId, kind, present, maxKinds: maxReactionKinds },
  });
  return accepted(context, messageId, 0, node.clock.now());
};
