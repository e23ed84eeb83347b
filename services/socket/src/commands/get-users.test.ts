import type { User } from '@caas/account-store';
import { expect, test } from '@jest/globals';
import { defaultBounds } from '../limits.ts';
import type { CommandContext } from './command.ts';
import { getUsers } from './get-users.ts';

const metadata = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`k${i}`, 'v'.repeat(1_000)]));
const users = new Map(
  Array.from({ length: 200 }, (_, i): [string, User] => [
    `u${i}`,
    {
      tenantId: 't',
      userId: `u${i}`,
      externalId: `x${i}`,
      displayName: '',
      avatarUrl: '',
      metadata,
      createdAtMs: 1,
      updatedAtMs: 1,
      deactivated: false,
    },
  ]),
);
const context = {
  connection: { claims: { tenantId: 't' } },
  node: {
    bounds: defaultBounds,
    users: { getMany: async (_: string, ids: string[]) => ids.map((id) => users.get(id)) },
  },
} as unknown as CommandContext;

test('a reply with profiles at their limit keeps to its bytes, and asking again for the rest brings them all', async () => {
  let missing = [...users.keys(), 'nobody'];
  for (let more = true; more; ) {
    const reply = await getUsers(context, { userIds: missing, externalIds: [] });
    if (reply.$case !== 'users') throw new Error(reply.$case);
    const { value } = reply;
    expect(JSON.stringify(value).length).toBeLessThan(defaultBounds.maxReplyBytes * 1.01);
    const got = new Set(value.users.map((user) => user.userId));
    if (value.more) expect(got.size).toBeGreaterThan(100);
    missing = missing.filter((id) => !got.has(id));
    ({ more } = value);
  }
  expect(missing).toEqual(['nobody']);
});
