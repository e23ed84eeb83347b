import { fail } from '@caas/kit';
import { isActive } from '@caas/message-store';
import { Role } from '@caas/proto/caas/events/v1/content';
import { assertManages, assertOpen, manages } from '../model/rules.ts';
import { actingMember, commitChange } from './act.ts';
import { noteUsers } from './audited.ts';
import type { Command } from './command.ts';
import { changedConversation } from './entries.ts';

/** Removes members; only owners remove admins and owners. */
export const removeMembers: Command<'removeMembers'> = async (context, request) => {
  const { node, connection } = context;
  const { tenantId, userId: ownId } = connection.claims;
  const { conversationId } = request;
  const { rules, member } = await actingMember(context, conversationId);
  assertManages(rules, member.role);
  assertOpen(rules);
  const userIds = [...new Set(request.userIds)];
  if (userIds.includes(ownId))
    fail('INVALID_ARGUMENT', 'one leaves by leave_conversation', { details: { field: 'user_ids' } });
  const targets = await node.store.participants.getMany(
    userIds.map((userId) => ({ tenantId, conversationId, userId })),
  );
  const missing = userIds.find((_, i) => !isActive(targets[i]));
  if (missing !== undefined) fail('USER_NOT_FOUND', 'not a member', { details: { user_id: missing } });
  if (member.role !== Role.ROLE_OWNER && targets.some((t) => t && manages(t.role))) {
    fail('PERMISSION_DENIED', 'only owners remove admins and owners');
  }
  await commitChange(context, conversationId, { $case: 'membersRemoved', value: { userIds } });
  noteUsers(context, 'members.removed', conversationId, userIds);
  return changedConversation(context, conversationId);
};
