import { assertMaySend } from '../model/rules.ts';
import { actingMember } from './act.ts';
import { type Command, done } from './command.ts';

/** Tells the other members that one types; who may not send does not type. */
export const setTyping: Command<'setTyping'> = async (context, { conversationId, typing }) => {
  const { tenantId, userId } = context.connection.claims;
  const { conversation, rules, member } = await actingMember(context, conversationId);
  assertMaySend(rules, member.role);
  context.node.ephemeral.typing(conversation, { tenantId, conversationId, userId, typing });
  return done(context);
};
