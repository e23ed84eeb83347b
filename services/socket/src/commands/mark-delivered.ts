import { publishReceipt } from './act.ts';
import { type Command, done } from './command.ts';

/** Tells that messages up to a seq have been received. */
export const markDelivered: Command<'markDelivered'> = async (context, { conversationId, seq }) => {
  await context.node.directory.member(context.connection, conversationId);
  await publishReceipt(context, conversationId, seq, 0);
  return done(context);
};
