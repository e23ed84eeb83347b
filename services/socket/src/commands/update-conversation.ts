import { fail } from '@caas/kit';
import { assertManages, assertOpen } from '../model/rules.ts';
import { commitChange } from './act.ts';
import type { Command } from './command.ts';
import { conversationResult } from './entries.ts';

/** Changes title, picture or metadata. */
export const updateConversation: Command<'updateConversation'> = async (context, request) => {
  const { conversationId, title, avatarUrl, replaceMetadata, metadata } = request;
  const { conversation, member } = await context.node.directory.member(context.connection, conversationId);
  const rules = conversation.rules ?? fail('CONVERSATION_NOT_FOUND', 'no such conversation');
  assertManages(rules, member.role);
  assertOpen(rules);
  await commitChange(context, conversationId, {
    $case: 'metaChanged',
    value: { title, avatarUrl, replaceMetadata, metadata },
  });
  return conversationResult(context, conversationId);
};
