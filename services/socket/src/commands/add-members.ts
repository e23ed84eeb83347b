import { fail } from '@caas/kit';
import { Role } from '@caas/proto/caas/events/v1/content';
import { assertManages, assertOpen } from '../model/rules.ts';
import { actingMember, commitChange } from './act.ts';
import { noteUsers } from './audited.ts';
import type { Command } from './command.ts';
import { changedConversation } from './entries.ts';
import { assertUsersExist, joinWithinLimits, notYetMembers } from './users.ts';

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
  if (doc && doc.memberCount + joining.length > maxMembers) tooManyMembers(maxMembers);
  const members = userIds.map((userId) => ({ userId, role: Role.ROLE_MEMBER }));
  await joinWithinLimits(context, joining, () =>
    commitChange(context, conversationId, { $case: 'membersAdded', value: { members, maxMembers } }),
  );
  // Others who were added in the same moment may have come first.
  const leftOut = await notYetMembers(context, conversationId, joining);
  const joined = joining.filter((id) => !leftOut.includes(id));
  noteUsers(context, 'members.added', conversationId, joined);
  if (leftOut.length > 0) tooManyMembers(maxMembers);
  return changedConversation(context, conversationId);
};

const tooManyMembers = (maxMembers: number): never =>
  fail('LIMIT_EXCEEDED', 'too many members', {
    details: { limit: 'maxMembers', value: String(maxMembers), unit: 'members' },
  });
