import { fail } from '@caas/kit';
import { assertLine, assertPictureUrl } from '../model/content.ts';
import { userView } from '../model/views.ts';
import type { Command } from './command.ts';

/** Changes one's own profile. */
export const updateProfile: Command<'updateProfile'> = async ({ node, connection }, request) => {
  const { tenantId, userId } = connection.claims;
  const { displayName, avatarUrl, replaceMetadata, metadata } = request;
  assertLine(displayName, 'display_name');
  if (avatarUrl !== undefined) assertPictureUrl(avatarUrl);
  const change = { displayName, avatarUrl, ...(replaceMetadata && { metadata }) };
  const user =
    (await node.users.updateProfile(tenantId, userId, change, node.clock.now())) ??
    fail('USER_NOT_FOUND', 'no such user');
  return { $case: 'users', value: { users: [userView(user)], more: false } };
};
