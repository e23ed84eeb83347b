import type { Command } from './command.ts';

/** Watches the presence of users. */
export const watchPresence: Command<'watchPresence'> = async ({ node, connection }, { userIds }) => {
  const presences = await node.ephemeral.watch(connection, [...new Set(userIds)]);
  return { $case: 'presence', value: { presences } };
};
