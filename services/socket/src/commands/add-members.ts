import { fail } from '@caas/kit';
import { Role } from '@caas/proto/caas/events/v1/content';
import { assertManages, assertOpen } from '../model/rules.ts';
import { commitChange } from './act.ts';
import type { Command } from './command.ts';
import { assertUsersExist } from './create-conversation.ts';
import { conversationResult } from './entries.ts';

/** Adds members. */
export const addMembers: Command<'addMembers'> = async (context, request) => {
  const { node, connection } = context;
  const { conversationId } = request;
  const { conversation, member } = await node.directory.member(connection, conversationId);
  const rules = conversation.rules ?? fail('CONVERSATION_NOT_FOUND', 'no such conversation');
  assertManages(rules, member.role);
  assertOpen(rules);
  const userIds = [...new Set(request.userIds)];
  await assertUsersExist(context, userIds);
  const [doc] = await node.store.conversations.getMany([conversation]);
  const { maxMembers } = connection.limits;
  if (doc && doc.memberCount + userIds.length > maxMembers) {
    fail('LIMIT_EXCEEDED', 'too many members', {
      details: { limit: 'maxMembers', value: String(maxMembers), unit: 'members' },
    });
  }
  const members = userIds.map((userId) => ({ userId, role: Role.ROLE_MEMBER }));
  await commitChange(context, conversationId, { $case: 'membersAdded', value: { members } });
  return conversationResult(context, conversationId);
};
