/** What every adapter of the policy store has to do. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type HeldRecord, maxTenantsPerCall, type PolicyRecord, type PolicyStore } from './port.ts';

export interface PolicyStoreUnderTest {
  store: PolicyStore;
  /** A second process on the same data. */
  another(): Promise<PolicyStore>;
  /** Closes the store and opens the same data again. */
  reopen(): Promise<PolicyStore>;
}

let counter = 0;
/** A tenant no other test uses, so that all tests can share one store. */
const freshTenant = (): string => `tenant-${++counter}`;

const aRecord = (tenantId: string, version: number, mark = version): PolicyRecord => ({
  tenantId,
  version,
  policy: Uint8Array.of(1, 2, mark),
  putAtMs: 1_700_000_000_000 + version,
});

const aHeld = (tenantId: string, heldId: string, heldAtMs: number, mark = 1, senderId = 'u'): HeldRecord => ({
  tenantId,
  heldId,
  senderId,
  content: Uint8Array.of(9, mark),
  heldAtMs,
});

export const policyStoreContract = (name: string, open: () => Promise<PolicyStoreUnderTest>): void => {
  describe(`policy store on ${name}`, () => {
    let under: PolicyStoreUnderTest;
    let store: PolicyStore;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    });
    afterAll(() => store.close());

    test('a tenant begins with none, and each version follows the one before', async () => {
      const tenantId = freshTenant();
      expect(await store.get(tenantId, 0)).toBeUndefined();
      expect(await store.versions([tenantId])).toEqual([0]);
      for (const version of [1, 2, 3]) expect(await store.put(aRecord(tenantId, version))).toBe(true);
      expect(await store.get(tenantId, 0)).toEqual(aRecord(tenantId, 3));
      expect(await store.versions([tenantId])).toEqual([3]);
    });

    test('who has not seen the current version puts nothing', async () => {
      const tenantId = freshTenant();
      expect(await store.put(aRecord(tenantId, 2))).toBe(false);
      await store.put(aRecord(tenantId, 1));
      for (const version of [1, 3]) expect(await store.put(aRecord(tenantId, version, 9))).toBe(false);
      expect(await store.get(tenantId, 0)).toEqual(aRecord(tenantId, 1));
    });

    test('all versions are kept as they were', async () => {
      const tenantId = freshTenant();
      for (let version = 1; version <= 12; version++) await store.put(aRecord(tenantId, version));
      for (const version of [1, 9, 10, 12])
        expect(await store.get(tenantId, version)).toEqual(aRecord(tenantId, version));
      expect(await store.get(tenantId, 13)).toBeUndefined();
      expect((await store.get(tenantId, 0))?.version).toBe(12);
    });

    test('of puts that race one wins', async () => {
      const tenantId = freshTenant();
      const other = await under.another();
      const won = await Promise.all(
        Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? store : other).put(aRecord(tenantId, 1, i))),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      expect(await other.get(tenantId, 1)).toEqual(aRecord(tenantId, 1, won.indexOf(true)));
      await other.close();
    });

    test('tenants do not meet, also where one name begins like the other', async () => {
      const [a, b] = [freshTenant(), freshTenant()];
      await store.put(aRecord(a, 1));
      await store.put(aRecord(a, 2));
      await store.put(aRecord(`${a}1`, 1, 7));
      expect(await store.versions([b, a, `${a}1`])).toEqual([0, 2, 1]);
      expect(await store.get(b, 0)).toBeUndefined();
      expect(await store.get(b, 1)).toBeUndefined();
      expect(await store.versions([])).toEqual([]);
    });

    test('a policy of a megabyte comes back as it was', async () => {
      const record = { ...aRecord(freshTenant(), 1), policy: new Uint8Array(1_500_000).fill(7) };
      await store.put(record);
      expect(Buffer.compare(((await store.get(record.tenantId, 0)) as PolicyRecord).policy, record.policy)).toBe(0);
    });

    test('more tenants than a call may name are refused', async () => {
      await expect(store.versions(Array(maxTenantsPerCall + 1).fill('t'))).rejects.toMatchObject({
        reason: 'INVALID_ARGUMENT',
      });
    });

    test('what is held is kept once and listed by time and id, page by page', async () => {
      const [tenantId, other] = [freshTenant(), freshTenant()];
      expect(await store.held(tenantId, 10)).toEqual([]);
      const records = [aHeld(tenantId, 'b', 5), aHeld(tenantId, 'c', 5), aHeld(tenantId, 'a', 7)];
      for (const record of records.toReversed()) expect(await store.hold(record, 10)).toBe(true);
      expect(await store.hold(aHeld(tenantId, 'b', 9, 2), 10)).toBe(true);
      expect(await store.hold(aHeld(other, 'b', 6), 10)).toBe(true);
      expect(await store.held(tenantId, 10)).toEqual(records);
      expect(await store.held(tenantId, 1)).toEqual(records.slice(0, 1));
      expect(await store.held(tenantId, 10, { heldAtMs: 5, heldId: 'b' })).toEqual(records.slice(1));
      expect(await store.held(tenantId, 10, { heldAtMs: 7, heldId: 'a' })).toEqual([]);
      expect(await store.held(other, 10)).toEqual([aHeld(other, 'b', 6)]);
    });

    test('what a sender has held is taken out, and nobody else’s', async () => {
      const [tenantId, other] = [freshTenant(), freshTenant()];
      const records = [aHeld(tenantId, 'a', 1), aHeld(tenantId, 'b', 2, 1, 'v'), aHeld(tenantId, 'c', 3)];
      for (const record of [...records, aHeld(other, 'a', 1)]) await store.hold(record, 100);
      expect(await store.removeHeldOf(tenantId, 'u')).toBe(2);
      expect(await store.removeHeldOf(tenantId, 'u')).toBe(0);
      expect(await store.held(tenantId, 10)).toEqual([records[1]]);
      expect(await store.held(other, 10)).toHaveLength(1);
    });

    test('a tenant holds no more than it may, and what is held already still counts as kept', async () => {
      const tenantId = freshTenant();
      for (const id of ['a', 'b']) expect(await store.hold(aHeld(tenantId, id, 1), 2)).toBe(true);
      expect(await store.hold(aHeld(tenantId, 'c', 1), 2)).toBe(false);
      expect(await store.hold(aHeld(tenantId, 'a', 1), 2)).toBe(true);
      expect(await store.held(tenantId, 10)).toHaveLength(2);
      expect(await store.hold(aHeld(freshTenant(), 'c', 1), 2)).toBe(true);
    });

    test('everything is still there after the store was closed and opened again', async () => {
      const tenantId = freshTenant();
      await store.put(aRecord(tenantId, 1));
      await store.put(aRecord(tenantId, 2));
      await store.hold(aHeld(tenantId, 'h', 3), 10);
      store = await under.reopen();
      expect(await store.get(tenantId, 0)).toEqual(aRecord(tenantId, 2));
      expect(await store.get(tenantId, 1)).toEqual(aRecord(tenantId, 1));
      expect(await store.held(tenantId, 10)).toEqual([aHeld(tenantId, 'h', 3)]);
    });
  });
};
