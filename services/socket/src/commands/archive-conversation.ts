import { fail } from '@caas/kit';
import { assertManages } from '../model/rules.ts';
import { commitChange } from './act.ts';
import type { Command } from './command.ts';
import { conversationResult } from './entries.ts';

/** Archives or unarchives a conversation. */
export const archiveConversation: Command<'archiveConversation'> = async (context, { conversationId, archived }) => {
  const { conversation, member } = await context.node.directory.member(context.connection, conversationId);
  assertManages(conversation.rules ?? fail('CONVERSATION_NOT_FOUND', 'no such conversation'), member.role);
  await commitChange(context, conversationId, { $case: 'archived', value: { archived } });
  return conversationResult(context, conversationId);
};
