import { type Command, done } from './command.ts';

/** Tells the other members that one types. */
export const setTyping: Command<'setTyping'> = async (context, { conversationId, typing }) => {
  const { tenantId, userId } = context.connection.claims;
  const { conversation } = await context.node.directory.member(context.connection, conversationId);
  context.node.ephemeral.typing(conversation, { tenantId, conversationId, userId, typing });
  return done(context);
};
