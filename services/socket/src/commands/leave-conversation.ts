import { fail } from '@caas/kit';
import { ConversationKind } from '@caas/proto/caas/events/v1/content';
import { actingMember, commitChange } from './act.ts';
import { noteUsers } from './audited.ts';
import { type Command, done } from './command.ts';

/** Leaves a conversation. */
export const leaveConversation: Command<'leaveConversation'> = async (context, { conversationId }) => {
  const { rules } = await actingMember(context, conversationId);
  if (rules.kind === ConversationKind.CONVERSATION_KIND_DIRECT)
    fail('FAILED_PRECONDITION', 'a direct conversation is not left');
  const userIds = [context.connection.claims.userId];
  await commitChange(context, conversationId, { $case: 'membersRemoved', value: { userIds } });
  noteUsers(context, 'members.removed', conversationId, userIds);
  return done(context);
};
