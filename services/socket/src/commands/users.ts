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

/** Makes users members by the change; refuses as JoinClaims does. */
export const joinWithinLimits = (
  { node, connection }: CommandContext,
  userIds: readonly string[],
  change: () => Promise<unknown>,
): Promise<void> => {
  const { tenantId } = connection.claims;
  return node.joins.whileClaimed({ tenantId, userIds, max: connection.limits.maxConversations }, change);
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
