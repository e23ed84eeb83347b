import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { maxUsersPerCall, userKeysName } from '@caas/key-store';
import type { CaasError } from '@caas/kit';
import { type DestroyedKey, KeyState } from '@caas/proto/caas/crypto/v1/key_service';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { cryptoConfig } from './config.ts';
import { type CryptoUnderTest, startCrypto } from './testing.ts';

const { KEY_STATE_CURRENT, KEY_STATE_RETIRED, KEY_STATE_DESTROYED, KEY_STATE_UNKNOWN } = KeyState;
const folders: string[] = [];
const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'crypto-'));
  folders.push(folder);
  return folder;
};
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));
const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it did not happen within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
let counter = 0;
/** A name no other test uses, so that all tests can share one service. */
const fresh = (kind: string): string => `${kind}-${++counter}`;

describe('crypto', () => {
  let folder: string;
  let crypto: CryptoUnderTest;
  let other: CryptoUnderTest;
  beforeAll(async () => {
    folder = await newFolder();
    // Two processes on one store and one vault, as installations run several.
    crypto = await startCrypto(folder, { holderGraceMs: 900 });
    other = await startCrypto(folder, { holderGraceMs: 900 });
  });
  afterAll(() => Promise.all([crypto.stop(), other.stop()]));

  const current = async (tenantId: string, ...userIds: string[]) =>
    (await crypto.socket.getCurrentKeys({ tenantId, userIds })).keys;
  const open = async (tenantId: string, ...keyIds: string[]) =>
    (await crypto.socket.openKeys({ tenantId, keyIds })).keys;

  test('makes a user’s key once, whoever asks where, and unwraps the same again', async () => {
    const [tenantId, users] = [fresh('t'), Array.from({ length: 20 }, () => fresh('u'))];
    const answers = await Promise.all(
      [crypto, other, crypto, other].map((each) => each.socket.getCurrentKeys({ tenantId, userIds: users })),
    );
    const [first] = answers;
    for (const { keys, holdMs } of answers) {
      expect(holdMs).toBe(cryptoConfig({}).keyHoldMs);
      expect(keys).toEqual(first?.keys);
    }
    const keys = first?.keys ?? [];
    expect(keys.map(({ userId, state }) => [userId, state])).toEqual(users.map((user) => [user, KEY_STATE_CURRENT]));
    expect(new Set(keys.map(({ key }) => key.toString('hex'))).size).toBe(20);
    expect(keys.every(({ key }) => key.length === 32)).toBe(true);
    expect(await open(tenantId, ...keys.map(({ keyId }) => keyId))).toEqual(keys);
    const twice = await current(tenantId, users[0] as string, users[0] as string);
    expect(twice).toEqual([keys[0], keys[0]]);
  });

  test('knows no key of another tenant, and none by a wrong id', async () => {
    const [mine] = await current(fresh('t'), 'alice');
    const keyId = mine?.keyId as string;
    const unknown = [keyId, `${keyId.slice(0, -1)}9`, 'nonsense'];
    const answers = [...(await open(fresh('t'), keyId)), ...(await open('t', ...unknown.slice(1)))];
    expect(answers.map(({ state }) => state)).toEqual(unknown.map(() => KEY_STATE_UNKNOWN));
    expect(answers.every(({ key, userId }) => key.length === 0 && userId === '')).toBe(true);
  });

  test('a record that is damaged costs its own user alone, and no rotation', async () => {
    const [tenantId, users] = [fresh('t'), ['alice', 'bob']];
    const [alice, bob] = await current(tenantId, ...users);
    const { ref } = userKeysName(tenantId, 'alice');
    const [kept] = await crypto.store.users.getMany([{ tenantId, ref }]);
    const { rev, ...keys } = kept as NonNullable<typeof kept>;
    const damaged = keys.keys.map((key) => ({ ...key, wrapped: key.wrapped.map((byte) => byte ^ 1) }));
    expect(await crypto.store.users.put([{ keys: { ...keys, keys: damaged }, expectRev: rev }])).toEqual([true]);
    const unreadable = { userId: 'alice', state: KEY_STATE_UNKNOWN, key: Buffer.alloc(0) };
    expect(await open(tenantId, alice?.keyId as string, bob?.keyId as string)).toMatchObject([unreadable, bob]);
    expect(await current(tenantId, ...users)).toMatchObject([unreadable, bob]);
    expect(await crypto.operator.rotateTenantKey({ tenantId })).toEqual({ version: 2, rewrapped: 1 });
    expect(await open(tenantId, bob?.keyId as string)).toEqual([bob]);
    const repaired = (await crypto.store.users.getMany([{ tenantId, ref }]))[0];
    await crypto.store.users.put([{ keys, expectRev: repaired?.rev as number }]);
    expect(await open(tenantId, alice?.keyId as string)).toEqual([alice]);
  });

  test('keeps no key in the clear in any file', async () => {
    const [key] = await current(fresh('t'), 'alice');
    const names = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    const bytes = Buffer.concat(await Promise.all(files.map((file) => readFile(file))));
    for (const text of [
      key?.key as Buffer,
      ...['hex', 'base64', 'base64url'].map((e) => key?.key.toString(e as 'hex')),
    ])
      expect(bytes.includes(text as string)).toBe(false);
  });

  test('rotates a user’s key: the new one seals, the old one opens', async () => {
    const tenantId = fresh('t');
    const [old] = await current(tenantId, 'alice');
    const rotated = await crypto.operator.rotateUserKey({ tenantId, userId: 'alice' });
    const [now] = await current(tenantId, 'alice');
    expect(now).toMatchObject({ keyId: rotated.keyId, state: KEY_STATE_CURRENT });
    expect(now?.key.equals(old?.key as Buffer)).toBe(false);
    const [opened] = await open(tenantId, old?.keyId as string);
    expect(opened).toEqual({ ...old, state: KEY_STATE_RETIRED });
    const made = await crypto.operator.rotateUserKey({ tenantId, userId: 'nobody yet' });
    expect((await current(tenantId, 'nobody yet'))[0]?.keyId).toBe(made.keyId);
  });

  test('rotates a tenant’s key, at once from two sides too, and every data key stays what it was', async () => {
    const tenantId = fresh('t');
    const users = Array.from({ length: 250 }, (_, i) => `user-${i}`);
    const before = await current(tenantId, ...users);
    expect(await crypto.operator.rotateTenantKey({ tenantId })).toEqual({ version: 2, rewrapped: 250 });
    const both = await Promise.all([crypto, other].map((each) => each.operator.rotateTenantKey({ tenantId })));
    expect(both.map(({ version }) => version).toSorted()).toEqual([3, 4]);
    const keyIds = before.map(({ keyId }) => keyId);
    for (const each of [crypto, other]) expect((await each.socket.openKeys({ tenantId, keyIds })).keys).toEqual(before);
    const stored = await crypto.store.users.ofTenant(tenantId, '', maxUsersPerCall);
    const versions = new Set(stored.flatMap(({ keys }) => keys.map((key) => key.tenantKeyVersion)));
    expect([...versions].every((version) => version >= 3)).toBe(true);
  });

  test('rotates the root key: tenants’ keys are brought under it and open', async () => {
    const tenantId = fresh('t');
    const before = await current(tenantId, 'alice');
    const { version, rewrapped } = await crypto.operator.rotateRootKey({});
    expect(rewrapped).toBeGreaterThan(0);
    const tenant = await crypto.store.tenants.get(tenantId);
    expect(tenant?.keys.map(({ wrapped }) => crypto.vault.versionOf(wrapped))).toEqual([version]);
    const third = await startCrypto(folder);
    expect((await third.socket.getCurrentKeys({ tenantId, userIds: ['alice'] })).keys).toEqual(before);
    await third.stop();
  });

  test('destroys a user’s keys for good: told as destroyed, the same each time, and there is never another', async () => {
    const tenantId = fresh('t');
    const [one] = await current(tenantId, 'alice', 'bob');
    await crypto.operator.rotateUserKey({ tenantId, userId: 'alice' });
    const [two] = await current(tenantId, 'alice');
    const done = await crypto.compliance.destroyUserKeys({ tenantId, userId: 'alice' });
    expect(done.keys.map(({ keyId }) => keyId)).toEqual([one?.keyId, two?.keyId]);
    expect(done.goneEverywhereAtMs).toBeGreaterThan(Date.now() + 900);
    for (const each of [crypto, other]) {
      const keyIds = done.keys.map(({ keyId }) => keyId);
      const { keys } = await each.socket.openKeys({ tenantId, keyIds });
      const state = KEY_STATE_DESTROYED;
      const gone = { userId: 'alice', state, key: Buffer.alloc(0), destroyedAtMs: done.keys[0]?.destroyedAtMs };
      expect(keys).toEqual(keyIds.map((keyId) => ({ ...gone, keyId })));
      const [alice, bob] = (await each.socket.getCurrentKeys({ tenantId, userIds: ['alice', 'bob'] })).keys;
      expect(alice).toEqual({ ...gone, keyId: '' });
      expect(bob?.state).toBe(KEY_STATE_CURRENT);
    }
    const again = await other.compliance.destroyUserKeys({ tenantId, userId: 'alice' });
    expect(again.keys).toEqual(done.keys);
    const rotating = crypto.operator.rotateUserKey({ tenantId, userId: 'alice' });
    await expect(rotating).rejects.toMatchObject({ reason: 'FAILED_PRECONDITION' });
    const none = await crypto.compliance.destroyUserKeys({ tenantId, userId: 'never wrote' });
    expect(none.keys).toEqual([]);
  });

  test('serves callers for what they may do, and what is within the limits', async () => {
    const refused: [Promise<unknown>, string][] = [
      [crypto.socket.destroyUserKeys({ tenantId: 't', userId: 'u' }), 'PERMISSION_DENIED'],
      [crypto.socket.rotateTenantKey({ tenantId: 't' }), 'PERMISSION_DENIED'],
      [crypto.clientOf('gateway').openKeys({ tenantId: 't', keyIds: ['k'] }), 'PERMISSION_DENIED'],
      [crypto.clientOf('search').getCurrentKeys({ tenantId: 't', userIds: ['u'] }), 'PERMISSION_DENIED'],
      [crypto.socket.openKeys({ tenantId: 't', keyIds: Array.from({ length: 501 }, () => 'k') }), 'INVALID_ARGUMENT'],
      [crypto.socket.openKeys({ tenantId: '', keyIds: ['k'] }), 'INVALID_ARGUMENT'],
      [crypto.socket.getCurrentKeys({ tenantId: 't', userIds: [] }), 'INVALID_ARGUMENT'],
    ];
    const results = await Promise.allSettled(refused.map(([call]) => call));
    expect(results.map((result) => (result as { reason?: CaasError }).reason?.reason)).toEqual(
      refused.map(([, reason]) => reason),
    );
  });

  describe('a watch', () => {
    const stopping: AbortController[] = [];
    afterEach(() => {
      for (const each of stopping.splice(0)) each.abort();
    });
    const watch = (from: CryptoUnderTest, afterMs = 0) => {
      const controller = new AbortController();
      stopping.push(controller);
      const seen = { keys: [] as DestroyedKey[], responses: 0, asOfMs: 0, error: undefined as unknown };
      const reading = (async () => {
        const request = { holder: 'test', afterMs };
        for await (const response of from.socket.watchDestroyed(request, { signal: controller.signal })) {
          seen.keys.push(...response.keys);
          seen.responses += 1;
          seen.asOfMs = response.asOfMs;
          expect(response.holderGraceMs).toBe(900);
        }
      })().catch((error: unknown) => {
        seen.error = error;
      });
      return { seen, end: () => controller.abort(), reading };
    };

    test('hears of destruction at every process, once each, and a sign of life in every third of the grace', async () => {
      const tenantId = fresh('t');
      const [key] = await current(tenantId, 'alice');
      const watchers = [watch(crypto), watch(other)];
      await until(() => watchers.every(({ seen }) => seen.responses > 0));
      const startedAt = performance.now();
      const before = watchers.map(({ seen }) => seen.responses);
      await crypto.compliance.destroyUserKeys({ tenantId, userId: 'alice' });
      await until(() => watchers.every(({ seen }) => seen.keys.some(({ keyId }) => keyId === key?.keyId)));
      await until(() => watchers.every(({ seen }, i) => seen.responses >= (before[i] as number) + 5));
      expect(performance.now() - startedAt).toBeLessThan(5 * 400 + 1_500);
      for (const { seen } of watchers) expect(seen.keys.filter(({ keyId }) => keyId === key?.keyId)).toHaveLength(1);
    });

    test('that goes on hears first what was destroyed while it was broken', async () => {
      const tenantId = fresh('t');
      const [key] = await current(tenantId, 'alice');
      const first = watch(crypto);
      await until(() => first.seen.asOfMs > 0);
      first.end();
      await first.reading;
      await crypto.compliance.destroyUserKeys({ tenantId, userId: 'alice' });
      const second = watch(other, first.seen.asOfMs);
      await until(() => second.seen.responses > 0);
      expect(second.seen.keys.map(({ keyId }) => keyId)).toContain(key?.keyId);
    });

    test('falls silent while the process can’t know what others destroy', async () => {
      const blind = await startCrypto(await newFolder(), { holderGraceMs: 900 });
      const watching = watch(blind);
      await until(() => watching.seen.responses > 1);
      await blind.store.close();
      // From maxBlindMs on; what was on its way comes before.
      let last = watching.seen.responses;
      let quietSince = Date.now();
      await until(() => {
        if (watching.seen.responses !== last) [last, quietSince] = [watching.seen.responses, Date.now()];
        return Date.now() - quietSince > 1_500;
      });
      expect(watching.seen.error).toBeUndefined();
      watching.end();
      await blind.stop();
    }, 20_000);
  });

  test('without its vault or store answers UNAVAILABLE at once, and makes nothing up', async () => {
    const own = await startCrypto(await newFolder());
    await own.store.close();
    const startedAt = performance.now();
    const asked = [
      own.socket.getCurrentKeys({ tenantId: 't', userIds: ['u'] }),
      own.socket.openKeys({ tenantId: 't', keyIds: ['aaaaaaaaaaaaaaaaaaaaaa.1'] }),
      own.compliance.destroyUserKeys({ tenantId: 't', userId: 'u' }),
    ];
    for (const result of await Promise.allSettled(asked))
      expect(result).toMatchObject({ status: 'rejected', reason: { retryable: true } });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    await own.stop();
  });
});

describe('the settings of crypto', () => {
  test('name a vault together with its token, or none', () => {
    expect(cryptoConfig({}).engines).toEqual({ mongo: undefined, vault: undefined });
    const env = { VAULT_URL: 'https://vault:8200', VAULT_TOKEN: 'hvs.secret' };
    expect(cryptoConfig(env).engines.vault).toMatchObject({ url: 'https://vault:8200', mount: 'transit', key: 'caas' });
    expect(() => cryptoConfig({ VAULT_URL: env.VAULT_URL })).toThrow(/one of VAULT_TOKEN and VAULT_TOKEN_FILE/);
    expect(() => cryptoConfig({ ...env, VAULT_CA_FILE: '/no/such.pem' })).toThrow(/VAULT_CA_FILE=\/no\/such.pem/);
    expect(() => cryptoConfig({ CAAS_VAULT_PASSPHRASE: 'short' })).toThrow(/CAAS_VAULT_PASSPHRASE/);
  });
});
