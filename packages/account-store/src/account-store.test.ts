import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { accountStoreContract } from './contract.ts';
import { openSqliteAccountStore } from './index.ts';

const folder = await mkdtemp(join(tmpdir(), 'account-store-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

accountStoreContract('SQLite', async () => {
  const file = join(folder, 'accounts.db');
  const store = await openSqliteAccountStore({ file });
  return {
    store,
    reopen: async () => {
      await store.close();
      return openSqliteAccountStore({ file });
    },
  };
});

test('a verb that can’t be carried out leaves those of the same turn alone', async () => {
  const store = await openSqliteAccountStore({ file: join(folder, 'poison.db') });
  const good = (tenantId: string) =>
    store.tenants.create({ tenantId, name: '', createdAtMs: 1, limits: {}, allowedOrigins: [] });
  const results = await Promise.allSettled([good('a'), store.sessions.purge('x' as never, {} as never), good('b')]);
  expect(results.map((r) => r.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(await store.tenants.get('b')).toBeDefined();
  await store.close();
});

test('a closed store refuses with DRAINING', async () => {
  const store = await openSqliteAccountStore({ file: join(folder, 'closed.db') });
  await store.close();
  await expect(store.tenants.get('a')).rejects.toMatchObject({ reason: 'DRAINING' });
});
