import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { keyStoreContract } from './contract.ts';
import { openSqliteKeyStore, userKeysName } from './index.ts';

const folder = await mkdtemp(join(tmpdir(), 'key-store-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

keyStoreContract('SQLite', async () => {
  const file = join(folder, 'keys.db');
  const store = await openSqliteKeyStore({ file });
  return {
    store,
    reopen: async () => {
      await store.close();
      return openSqliteKeyStore({ file });
    },
  };
});

/** Everything in the store's files: the database, its write-ahead log and what else lies there. */
const bytesIn = async (dir: string): Promise<Buffer> =>
  Buffer.concat(await Promise.all((await readdir(dir)).map((name) => readFile(join(dir, name)))));

test('no byte of a destroyed key is in a file, however the store grew before and whoever has it open', async () => {
  const dir = join(folder, 'grown');
  const [store, reader] = [
    await openSqliteKeyStore({ file: join(dir, 'keys.db') }),
    await openSqliteKeyStore({ file: join(dir, 'keys.db') }),
  ];
  const seed = Math.floor(Math.random() * 1e9);
  const users = Array.from({ length: 1_500 }, (_, i) => `user-${(i * 7919 + seed) % 1_000_003}`);
  const wrapped = new Map(users.map((user) => [user, [] as Buffer[]]));
  const change = (user: string, rev: number) => {
    const own = wrapped.get(user) as Buffer[];
    own.push(randomBytes(60));
    const keys = own.map((bytes, i) => ({
      generation: i + 1,
      tenantKeyVersion: 1,
      wrapped: bytes,
      createdAtMs: 1,
      destroyedAtMs: 0,
    }));
    return { keys: { ...userKeysName('t', user), userId: user, keys }, expectRev: rev };
  };
  // Two keys each, in orders that split the pages of the documents again and again.
  for (const rev of [0, 1])
    for (let i = 0; i < users.length; i += 300)
      expect(await store.users.put(users.slice(i, i + 300).map((user) => change(user, rev)))).not.toContain(false);
  const gone = users.filter((_, i) => i % 5 === seed % 5);
  const before = await bytesIn(dir);
  for (const user of gone) for (const key of wrapped.get(user) ?? []) expect(before.includes(key)).toBe(true);
  for (const user of gone) await store.users.destroy({ tenantId: 't', userId: user }, 2);
  const after = await bytesIn(dir);
  const left = gone.filter((user) => wrapped.get(user)?.some((key) => after.includes(key.subarray(4, 40))));
  expect({ seed, left }).toEqual({ seed, left: [] });
  const kept = users.filter((user) => !gone.includes(user));
  for (const user of kept) for (const key of wrapped.get(user) ?? []) expect(after.includes(key)).toBe(true);
  expect((await reader.users.getMany([userKeysName('t', gone[0] as string)]))[0]?.keys[0]?.wrapped).toHaveLength(0);
  await Promise.all([store.close(), reader.close()]);
}, 60_000);

test('a destruction that could not empty the write-ahead log is no success, and succeeds when repeated', async () => {
  const dir = join(folder, 'busy');
  const store = await openSqliteKeyStore({ file: join(dir, 'keys.db') });
  const wrapped = randomBytes(60);
  const key = { generation: 1, tenantKeyVersion: 1, wrapped, createdAtMs: 1, destroyedAtMs: 0 };
  const keys = { ...userKeysName('t', 'u'), userId: 'u', keys: [key] };
  await store.users.put([{ keys, expectRev: 0 }]);
  // Somebody who reads for long, as a backup does.
  const { DatabaseSync } = await import('node:sqlite');
  const backup = new DatabaseSync(join(dir, 'keys.db'));
  backup.exec('BEGIN');
  backup.prepare('SELECT count(*) FROM material').get();
  await expect(store.users.destroy({ tenantId: 't', userId: 'u' }, 2)).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
  backup.exec('COMMIT');
  backup.close();
  expect((await store.users.destroy({ tenantId: 't', userId: 'u' }, 3)).destroyedAtMs).toBe(2);
  expect((await bytesIn(dir)).includes(wrapped)).toBe(false);
  await store.close();
}, 30_000);

test('a closed store refuses with DRAINING', async () => {
  const store = await openSqliteKeyStore({ file: join(folder, 'closed.db') });
  await store.close();
  await expect(store.tenants.get('a')).rejects.toMatchObject({ reason: 'DRAINING' });
});
