import type { Command } from './command.ts';
import { conversationResult } from './entries.ts';

/** Reads one conversation. */
export const getConversation: Command<'getConversation'> = async (context, { conversationId }) => {
  await context.node.directory.member(context.connection, conversationId);
  return conversationResult(context, conversationId);
};
