/** What every adapter of the key store has to do. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { dataKeyId, dataKeyOf, userKeysName } from './names.ts';
import {
  type DataKeyRecord,
  type KeyStore,
  maxKeysPerUser,
  maxUsersPerCall,
  type TenantKeyRecord,
  type UserKeys,
} from './port.ts';

export interface KeyStoreUnderTest {
  store: KeyStore;
  /** Closes the store and opens the same data again. */
  reopen(): Promise<KeyStore>;
}

const nowMs = 1_700_000_000_000;
let counter = 0;
/** A name no other test uses, so that all tests can share one store. */
const fresh = (kind: string): string => `${kind}-${++counter}`;

/** Bytes as a wrapped key has them, always of one length. */
const wrappedBytes = (): Uint8Array => Uint8Array.from(randomBytes(60));
const aTenantKey = (version: number, over: Partial<TenantKeyRecord> = {}): TenantKeyRecord => ({
  version,
  wrapped: wrappedBytes(),
  createdAtMs: nowMs,
  destroyedAtMs: 0,
  ...over,
});
const aDataKey = (generation: number, over: Partial<DataKeyRecord> = {}): DataKeyRecord => ({
  generation,
  tenantKeyVersion: 1,
  wrapped: wrappedBytes(),
  createdAtMs: nowMs,
  destroyedAtMs: 0,
  ...over,
});
const keysOf = (
  tenantId: string,
  userId: string,
  ...keys: DataKeyRecord[]
): Omit<UserKeys, 'rev' | 'destroyedAtMs'> => ({
  ...userKeysName(tenantId, userId),
  userId,
  keys,
});

export const keyStoreContract = (name: string, open: () => Promise<KeyStoreUnderTest>): void => {
  describe(`key store on ${name}`, () => {
    let under: KeyStoreUnderTest;
    let store: KeyStore;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    });
    afterAll(() => store.close());

    const only = async (tenantId: string, userId: string): Promise<UserKeys | undefined> =>
      (await store.users.getMany([userKeysName(tenantId, userId)]))[0];

    test('an id of a key leads to its document, and says nothing of its user', () => {
      const { ref } = userKeysName('t1', 'alice');
      expect(dataKeyOf(dataKeyId(ref, 12))).toEqual({ ref, generation: 12 });
      expect(userKeysName('t1', 'alice').ref).toBe(ref);
      expect(userKeysName('t2', 'alice').ref).not.toBe(ref);
      for (const none of ['', ref, `${ref}.0`, `${ref}.x`, `${ref}.1.2`, `${ref} .1`, `${ref}.12345678`])
        expect(dataKeyOf(none)).toBeUndefined();
    });

    describe('keys of tenants', () => {
      test('are put by compare-and-set: of rivals at one revision one wins', async () => {
        const tenantId = fresh('tenant');
        expect(await store.tenants.get(tenantId)).toBeUndefined();
        const rivals = [1, 2, 3].map(() => ({ tenantId, keys: [aTenantKey(1)] }));
        const made = await Promise.all(rivals.map((keys) => store.tenants.put(keys, 0)));
        expect(made.filter(Boolean)).toHaveLength(1);
        const first = rivals[made.indexOf(true)];
        expect(await store.tenants.get(tenantId)).toEqual({ ...first, rev: 1 });
        const next = { tenantId, keys: [...(first?.keys ?? []), aTenantKey(2)] };
        const again = await Promise.all([1, 2].map(() => store.tenants.put(next, 1)));
        expect(again.filter(Boolean)).toHaveLength(1);
        expect(await store.tenants.put(next, 1)).toBe(false);
        expect(await store.tenants.put(next, 7)).toBe(false);
        expect(await store.tenants.get(tenantId)).toEqual({ ...next, rev: 2 });
      });

      test('lose their bytes when they are put as destroyed, and keep version and time', async () => {
        const tenantId = fresh('tenant');
        const [one, two] = [aTenantKey(1), aTenantKey(2)];
        await store.tenants.put({ tenantId, keys: [one, two] }, 0);
        const gone = { ...one, destroyedAtMs: nowMs + 5 };
        expect(await store.tenants.put({ tenantId, keys: [gone, two] }, 1)).toBe(true);
        const stored = await store.tenants.get(tenantId);
        expect(stored?.keys).toEqual([{ ...gone, wrapped: new Uint8Array(0) }, two]);
      });

      test('are listed by tenant, page by page', async () => {
        const ids = [fresh('listed'), fresh('listed'), fresh('listed')].toSorted();
        for (const tenantId of ids) await store.tenants.put({ tenantId, keys: [aTenantKey(1)] }, 0);
        const seen: string[] = [];
        for (let after = ''; ; ) {
          const page = await store.tenants.list(after, 2);
          seen.push(...page.map(({ tenantId }) => tenantId));
          const last = page.at(-1);
          if (!last) break;
          after = last.tenantId;
        }
        expect(seen.filter((id) => ids.includes(id))).toEqual(ids);
        expect(seen).toEqual([...new Set(seen)]);
      });
    });

    describe('keys of users', () => {
      test('are put by compare-and-set, many at once and each on its own', async () => {
        const [alice, bob] = [fresh('alice'), fresh('bob')];
        const first = keysOf('t1', alice, aDataKey(1));
        expect(await store.users.put([{ keys: first, expectRev: 0 }])).toEqual([true]);
        const other = keysOf('t1', bob, aDataKey(1));
        const late = keysOf('t1', alice, aDataKey(1));
        const results = await store.users.put([
          { keys: late, expectRev: 0 },
          { keys: other, expectRev: 0 },
        ]);
        expect(results).toEqual([false, true]);
        expect(await only('t1', alice)).toEqual({ ...first, rev: 1, destroyedAtMs: 0 });
        expect(await only('t1', bob)).toEqual({ ...other, rev: 1, destroyedAtMs: 0 });
        const rivals = [1, 2, 3].map(() => keysOf('t1', alice, ...first.keys, aDataKey(2)));
        const won = await Promise.all(rivals.map((keys) => store.users.put([{ keys, expectRev: 1 }])));
        expect(won.flat().filter(Boolean)).toHaveLength(1);
        expect(await only('t1', alice)).toEqual({ ...rivals[won.flat().indexOf(true)], rev: 2, destroyedAtMs: 0 });
        expect(await store.users.put([])).toEqual([]);
      });

      test('are found by name alone, in its order, and never in another tenant', async () => {
        const users = [fresh('u'), fresh('u')];
        await store.users.put(users.map((user) => ({ keys: keysOf('t1', user, aDataKey(1)), expectRev: 0 })));
        const names = [users[1], 'nobody', users[0]].map((user) => userKeysName('t1', user as string));
        const found = await store.users.getMany(names);
        expect(found.map((keys) => keys?.userId)).toEqual([users[1], undefined, users[0]]);
        const { ref } = userKeysName('t1', users[0] as string);
        expect(await store.users.getMany([{ tenantId: 't2', ref }])).toEqual([undefined]);
        expect(await store.users.getMany([])).toEqual([]);
      });

      test('are the newest bytes only once they were wrapped anew', async () => {
        const user = fresh('u');
        const key = aDataKey(1);
        await store.users.put([{ keys: keysOf('t1', user, key), expectRev: 0 }]);
        const anew = { ...key, tenantKeyVersion: 2, wrapped: wrappedBytes() };
        expect(await store.users.put([{ keys: keysOf('t1', user, anew), expectRev: 1 }])).toEqual([true]);
        expect((await only('t1', user))?.keys).toEqual([anew]);
      });

      test('of a tenant are listed page by page', async () => {
        const tenantId = fresh('t');
        const users = Array.from({ length: 5 }, () => fresh('u'));
        await store.users.put(users.map((user) => ({ keys: keysOf(tenantId, user, aDataKey(1)), expectRev: 0 })));
        const seen: UserKeys[] = [];
        for (let after = ''; ; ) {
          const page = await store.users.ofTenant(tenantId, after, 2);
          seen.push(...page);
          if (page.length < 2) break;
          after = (page.at(-1) as UserKeys).ref;
        }
        expect(seen.map(({ ref }) => ref)).toEqual(users.map((user) => userKeysName(tenantId, user).ref).toSorted());
        expect(seen.every((keys) => keys.keys[0]?.wrapped.length === 60)).toBe(true);
      });

      test('beyond the limits of a call or a user are refused', async () => {
        const many = Array.from({ length: maxUsersPerCall + 1 }, (_, i) => userKeysName('t1', `u${i}`));
        const keys = keysOf('t1', 'u', ...Array.from({ length: maxKeysPerUser + 1 }, (_, i) => aDataKey(i + 1)));
        for (const call of [
          () => store.users.getMany(many),
          () => store.users.put([{ keys, expectRev: 0 }]),
          () => store.users.ofTenant('t1', '', maxUsersPerCall + 1),
          () => store.users.destroyedAfter({ destroyedAtMs: 0, ref: '' }, maxUsersPerCall + 1),
        ])
          await expect(call()).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
      });
    });

    describe('destroying a user’s keys', () => {
      test('leaves ids and times and no bytes, is done once, and no other key comes after', async () => {
        const user = fresh('u');
        const keys = [aDataKey(1), aDataKey(2)];
        await store.users.put([{ keys: keysOf('t1', user, ...keys), expectRev: 0 }]);
        const [destroyed] = await Promise.all([
          store.users.destroy({ tenantId: 't1', userId: user }, nowMs + 1),
          store.users.destroy({ tenantId: 't1', userId: user }, nowMs + 1),
        ]);
        const gone = keys.map((key) => ({ ...key, wrapped: new Uint8Array(0), destroyedAtMs: nowMs + 1 }));
        const expected = { ...keysOf('t1', user, ...gone), rev: 2, destroyedAtMs: nowMs + 1 };
        expect(destroyed).toEqual(expected);
        expect(await store.users.destroy({ tenantId: 't1', userId: user }, nowMs + 9)).toEqual(expected);
        expect(await only('t1', user)).toEqual(expected);
        const next = keysOf('t1', user, ...keys, aDataKey(3));
        for (const expectRev of [0, 1, 2]) expect(await store.users.put([{ keys: next, expectRev }])).toEqual([false]);
        expect(await only('t1', user)).toEqual(expected);
      });

      test('who has none yet means that there will be none', async () => {
        const user = fresh('u');
        expect(await store.users.destroy({ tenantId: 't1', userId: user }, nowMs)).toEqual({
          ...keysOf('t1', user),
          rev: 1,
          destroyedAtMs: nowMs,
        });
        expect(await store.users.put([{ keys: keysOf('t1', user, aDataKey(1)), expectRev: 0 }])).toEqual([false]);
      });

      test('races with a key being made: either it was made first and is destroyed, or it is not made', async () => {
        for (let i = 0; i < 10; i += 1) {
          const user = fresh('racer');
          const key = aDataKey(1);
          const [made] = await Promise.all([
            store.users.put([{ keys: keysOf('t1', user, key), expectRev: 0 }]),
            store.users.destroy({ tenantId: 't1', userId: user }, nowMs + 1),
          ]);
          const left = await only('t1', user);
          expect(left?.destroyedAtMs).toBe(nowMs + 1);
          expect(left?.keys).toEqual(made[0] ? [{ ...key, wrapped: new Uint8Array(0), destroyedAtMs: nowMs + 1 }] : []);
        }
      });

      test('is told to whoever asks what was destroyed since', async () => {
        const at = nowMs + 1_000_000;
        const users = Array.from({ length: 5 }, () => fresh('u'));
        for (const [i, userId] of users.entries())
          await store.users.destroy({ tenantId: `t${i % 2}`, userId }, at + Math.floor(i / 2));
        const seen: UserKeys[] = [];
        for (let cursor = { destroyedAtMs: at - 1, ref: '' }; ; ) {
          const page = await store.users.destroyedAfter(cursor, 2);
          seen.push(...page);
          if (page.length < 2) break;
          const { destroyedAtMs, ref } = page.at(-1) as UserKeys;
          cursor = { destroyedAtMs, ref };
        }
        expect(seen.map(({ userId }) => userId).toSorted()).toEqual(users.toSorted());
        const order = seen.map(({ destroyedAtMs, ref }) => `${destroyedAtMs} ${ref}`);
        expect(order).toEqual(order.toSorted());
      });
    });

    test('keeps everything after it was closed', async () => {
      const [tenantId, user, erased] = [fresh('t'), fresh('u'), fresh('u')];
      const tenant = { tenantId, keys: [aTenantKey(1)] };
      const keys = keysOf(tenantId, user, aDataKey(1));
      await store.tenants.put(tenant, 0);
      await store.users.put([{ keys, expectRev: 0 }]);
      const gone = await store.users.destroy({ tenantId, userId: erased }, nowMs);
      store = await under.reopen();
      expect(await store.tenants.get(tenantId)).toEqual({ ...tenant, rev: 1 });
      expect(await only(tenantId, user)).toEqual({ ...keys, rev: 1, destroyedAtMs: 0 });
      expect(await only(tenantId, erased)).toEqual(gone);
    });
  });
};
