import { publishReceipt } from './act.ts';
import { type Command, done } from './command.ts';

/** Tells that messages up to a seq have been read, and so received. */
export const markRead: Command<'markRead'> = async (context, { conversationId, seq }) => {
  await context.node.directory.member(context.connection, conversationId);
  await publishReceipt(context, conversationId, seq, seq);
  return done(context);
};
