import { fail, inChunks } from '@caas/kit';
import { isActive } from '@caas/message-store';
import type { CommandContext } from './command.ts';

/** What commands that name users ask of them, in calls of a bounded size. */
const usersPerCall = 500;

/** USER_NOT_FOUND naming the first user that is not of the tenant. */
export const assertUsersExist = async (
  { node, connection }: CommandContext,
  userIds: readonly string[],
): Promise<void> => {
  const { tenantId } = connection.claims;
  const found = await inChunks(userIds, usersPerCall, (chunk) => node.users.getMany(tenantId, chunk));
  const missing = userIds.find((_, at) => !found[at]);
  if (missing !== undefined) fail('USER_NOT_FOUND', 'no such user', { details: { user_id: missing } });
};

/** LIMIT_EXCEEDED naming the first user who is in as many conversations as one may be. */
export const assertRoomFor = async (
  { node, connection }: CommandContext,
  userIds: readonly string[],
): Promise<void> => {
  const { tenantId } = connection.claims;
  const { maxConversations } = connection.limits;
  const { participants } = node.store;
  const counts = await inChunks(userIds, usersPerCall, (chunk) => participants.countActive(tenantId, chunk));
  const full = userIds.find((_, at) => (counts[at] ?? 0) >= maxConversations);
  if (full !== undefined) {
    fail('LIMIT_EXCEEDED', 'the user is in too many conversations', {
      details: {
        limit: 'maxConversations',
        value: String(maxConversations),
        unit: 'conversations',
        user_id: full,
      },
    });
  }
};

/** Those who are no active members of the conversation. */
export const notYetMembers = async (
  { node, connection }: CommandContext,
  conversationId: string,
  userIds: readonly string[],
): Promise<string[]> => {
  const { tenantId } = connection.claims;
  const found = await inChunks(userIds, usersPerCall, (chunk) =>
    node.store.participants.getMany(chunk.map((userId) => ({ tenantId, conversationId, userId }))),
  );
  return userIds.filter((_, at) => !isActive(found[at]));
};
