import { fitting } from '../model/reply-bytes.ts';
import { userView } from '../model/views.ts';
import type { Command } from './command.ts';

/** Reads profiles of the tenant's users, by id or by external id. */
export const getUsers: Command<'getUsers'> = async ({ node, connection }, { userIds, externalIds }) => {
  const { tenantId } = connection.claims;
  const [byId, byName] = await Promise.all([
    userIds.length > 0 ? node.users.getMany(tenantId, [...new Set(userIds)]) : [],
    externalIds.length > 0 ? node.users.getByExternalIds(tenantId, [...new Set(externalIds)]) : [],
  ]);
  const found = new Map([...byId, ...byName].flatMap((user) => (user ? [[user.userId, userView(user)] as const] : [])));
  const { kept: users } = fitting([...found.values()], 0, node.bounds.maxReplyBytes, (user) => user);
  return { $case: 'users', value: { users, more: users.length < found.size } };
};
