import { type LogPosition, positionOf } from '@caas/event-log';
import { fail } from '@caas/kit';
import { isActive } from '@caas/message-store';
import { Role, roleToJSON } from '@caas/proto/caas/events/v1/content';
import { assertOpen, assertOwner } from '../model/rules.ts';
import { actingMember, commitChange } from './act.ts';
import { noteAct } from './audited.ts';
import type { Command, CommandContext } from './command.ts';
import { changedConversation } from './entries.ts';

/** Promotes or demotes another member. */
export const setMemberRole: Command<'setMemberRole'> = async (context, request) => {
  const { node, connection } = context;
  const { tenantId, userId: ownId } = connection.claims;
  const { conversationId, userId, role } = request;
  assertRole(role);
  if (userId === ownId)
    fail('INVALID_ARGUMENT', "one's own role is changed by another owner", { details: { field: 'user_id' } });
  const { rules, member } = await actingMember(context, conversationId);
  assertOwner(rules, member.role);
  assertOpen(rules);
  const [target] = await node.store.participants.getMany([{ tenantId, conversationId, userId }]);
  if (!isActive(target)) fail('USER_NOT_FOUND', 'not a member', { details: { user_id: userId } });
  const position = await commitChange(context, conversationId, { $case: 'roleChanged', value: { userId, role } });
  await assertChanged(context, { conversationId, userId, role }, position);
  noteAct(context, 'role.changed', { subjectId: userId, conversationId, details: { role: roleToJSON(role) } });
  return changedConversation(context, conversationId);
};

/** What the worker made of the change; what others did to the member since then is not asked. */
const assertChanged = async (
  { node, connection }: CommandContext,
  { conversationId, userId, role }: { conversationId: string; userId: string; role: Role },
  { offset }: LogPosition,
): Promise<void> => {
  const { tenantId } = connection.claims;
  const [target] = await node.store.participants.getMany([{ tenantId, conversationId, userId }]);
  if (target && target.membershipPosition >= positionOf(offset)) return;
  if (!isActive(target)) return fail('USER_NOT_FOUND', 'not a member any more', { details: { user_id: userId } });
  if (target.role !== role) fail('FAILED_PRECONDITION', 'a conversation keeps its last owner');
};

/** Only the roles there are: another number, kept, would be a role nobody can judge. */
const assertRole = (role: Role): void => {
  switch (role) {
    case Role.ROLE_MEMBER:
    case Role.ROLE_ADMIN:
    case Role.ROLE_OWNER:
      return;
    default:
      fail('INVALID_ARGUMENT', 'role is required', { details: { field: 'role' } });
  }
};
