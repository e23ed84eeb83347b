import { fail } from '@caas/kit';
import { isActive } from '../model/views.ts';
import type { CommandContext } from './command.ts';

/** What commands that name users ask of them, in calls of a bounded size. */
const usersPerCall = 500;

const inChunks = async (
  userIds: readonly string[],
  work: (chunk: readonly string[]) => Promise<void>,
): Promise<void> => {
  for (let i = 0; i < userIds.length; i += usersPerCall) await work(userIds.slice(i, i + usersPerCall));
};

/** USER_NOT_FOUND naming the first user that is not of the tenant. */
export const assertUsersExist = ({ node, connection }: CommandContext, userIds: readonly string[]): Promise<void> =>
  inChunks(userIds, async (chunk) => {
    const found = await node.users.getMany(connection.claims.tenantId, chunk);
    const missing = chunk.find((_, at) => !found[at]);
    if (missing !== undefined) fail('USER_NOT_FOUND', 'no such user', { details: { user_id: missing } });
  });

/** LIMIT_EXCEEDED naming the first user who is in as many conversations as one may be. */
export const assertRoomFor = ({ node, connection }: CommandContext, userIds: readonly string[]): Promise<void> =>
  inChunks(userIds, async (chunk) => {
    const { maxConversations } = connection.limits;
    const counts = await node.store.participants.countActive(connection.claims.tenantId, chunk);
    const full = chunk.find((_, at) => (counts[at] ?? 0) >= maxConversations);
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
  });

/** Those who are no active members of the conversation. */
export const notYetMembers = async (
  { node, connection }: CommandContext,
  conversationId: string,
  userIds: readonly string[],
): Promise<string[]> => {
  const { tenantId } = connection.claims;
  const others: string[] = [];
  await inChunks(userIds, async (chunk) => {
    const found = await node.store.participants.getMany(chunk.map((userId) => ({ tenantId, conversationId, userId })));
    others.push(...chunk.filter((_, at) => !isActive(found[at])));
  });
  return others;
};
