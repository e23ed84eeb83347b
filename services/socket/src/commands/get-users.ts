import { userView } from '../model/views.ts';
import type { Command } from './command.ts';

/** Reads profiles of the tenant's users, by id or by external id. */
export const getUsers: Command<'getUsers'> = async ({ node, connection }, { userIds, externalIds }) => {
  const { tenantId } = connection.claims;
  const [byId, byName] = await Promise.all([
    userIds.length > 0 ? node.users.getMany(tenantId, [...new Set(userIds)]) : [],
    externalIds.length > 0 ? node.users.getByExternalIds(tenantId, [...new Set(externalIds)]) : [],
  ]);
  const found = new Map([...byId, ...byName].flatMap((user) => (user ? [[user.userId, user] as const] : [])));
  return { $case: 'users', value: { users: [...found.values()].map(userView) } };
};
