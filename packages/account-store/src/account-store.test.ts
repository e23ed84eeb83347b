import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
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

test('no byte of who was erased, nor of removed sessions, is in a file', async () => {
  const dir = join(folder, 'erased');
  const store = await openSqliteAccountStore({ file: join(dir, 'accounts.db') });
  const bytesIn = async () =>
    Buffer.concat(await Promise.all((await readdir(dir)).map((name) => readFile(join(dir, name)))));
  const names = Array.from({ length: 200 }, (_, i) => i);
  // Profiles that grow move their rows about.
  for (const displayName of ['canary', 'canary-'.repeat(30)])
    for (const i of names) {
      const { user } = await store.users.upsert({ tenantId: 't', externalId: `canary-${i}`, displayName, nowMs: i });
      const session = { tenantId: 't', sessionId: `s${i}`, userId: user.userId, appId: 'a', scopes: [] };
      const times = { createdAtMs: 1, refreshedAtMs: 1, expiresAtMs: 9, generation: 1 };
      await store.sessions.create({ ...session, device: 'canary', remoteAddress: '', ...times });
    }
  expect((await bytesIn()).includes('canary')).toBe(true);
  await store.sessions.remove(names.map((i) => ({ tenantId: 't', sessionId: `s${i}` })));
  const users = await store.users.getByExternalIds(
    't',
    names.map((i) => `canary-${i}`),
  );
  await Promise.all(users.map((user) => store.users.erase('t', user?.userId ?? '', 1)));
  expect((await bytesIn()).includes('canary')).toBe(false);
  await store.close();
}, 30_000);

test('a closed store refuses with DRAINING', async () => {
  const store = await openSqliteAccountStore({ file: join(folder, 'closed.db') });
  await store.close();
  await expect(store.tenants.get('a')).rejects.toMatchObject({ reason: 'DRAINING' });
});
