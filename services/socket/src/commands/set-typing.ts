import { fail } from '@caas/kit';
import { assertMaySend } from '../model/rules.ts';
import { type Command, done } from './command.ts';

/** Tells the other members that one types; who may not send does not type. */
export const setTyping: Command<'setTyping'> = async (context, { conversationId, typing }) => {
  const { tenantId, userId } = context.connection.claims;
  const { conversation, member } = await context.node.directory.member(context.connection, conversationId);
  assertMaySend(conversation.rules ?? fail('CONVERSATION_NOT_FOUND', 'no such conversation'), member.role);
  context.node.ephemeral.typing(conversation, { tenantId, conversationId, userId, typing });
  return done(context);
};
