import { fail } from '@caas/kit';
import { Role } from '@caas/proto/caas/events/v1/content';
import { assertManages, assertOpen } from '../model/rules.ts';
import { actingMember, commitChange } from './act.ts';
import { noteUsers } from './audited.ts';
import type { Command } from './command.ts';
import { changedConversation } from './entries.ts';
import { assertRoomFor, assertUsersExist, notYetMembers } from './users.ts';

/** Adds members. */
export const addMembers: Command<'addMembers'> = async (context, request) => {
  const { node, connection } = context;
  const { conversationId } = request;
  const { conversation, rules, member } = await actingMember(context, conversationId);
  assertManages(rules, member.role);
  assertOpen(rules);
  const userIds = [...new Set(request.userIds)];
  await assertUsersExist(context, userIds);
  // Those who are members stay as they are, and take no more room.
  const joining = await notYetMembers(context, conversationId, userIds);
  const [doc] = await node.store.conversations.getMany([conversation]);
  const { maxMembers } = connection.limits;
  if (doc && doc.memberCount + joining.length > maxMembers) {
    fail('LIMIT_EXCEEDED', 'too many members', {
      details: { limit: 'maxMembers', value: String(maxMembers), unit: 'members' },
    });
  }
  await assertRoomFor(context, joining);
  const members = userIds.map((userId) => ({ userId, role: Role.ROLE_MEMBER }));
  await commitChange(context, conversationId, { $case: 'membersAdded', value: { members } });
  noteUsers(context, 'members.added', conversationId, joining);
  return changedConversation(context, conversationId);
};
