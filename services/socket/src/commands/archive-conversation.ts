import { assertManages } from '../model/rules.ts';
import { actingMember, commitChange } from './act.ts';
import { noteAct } from './audited.ts';
import type { Command } from './command.ts';
import { changedConversation } from './entries.ts';

/** Archives or unarchives a conversation. */
export const archiveConversation: Command<'archiveConversation'> = async (context, { conversationId, archived }) => {
  const { rules, member } = await actingMember(context, conversationId);
  assertManages(rules, member.role);
  await commitChange(context, conversationId, { $case: 'archived', value: { archived } });
  noteAct(context, 'conversation.archived', {
    subjectId: conversationId,
    conversationId,
    details: { archived: String(archived) },
  });
  return changedConversation(context, conversationId);
};
