/** What every adapter of the audit store has to do. */
import { Frontier, frontierOf, hashBytes } from '@caas/compliance-client/merkle';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type AuditStore, type EntryKeys, type EntryQuery, maxEntriesPerCall, type NewEntry } from './port.ts';

export interface AuditStoreUnderTest {
  store: AuditStore;
  /** A second process on the same data. */
  another(): Promise<AuditStore>;
  /** Closes the store and opens the same data again. */
  reopen(): Promise<AuditStore>;
}

const nowMs = 1_700_000_000_000;
let counter = 0;
/** An id no other test uses, so that all tests can share one store. */
const fresh = (kind: string): string => `${kind}-${++counter}`;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

const keysOf = (over: Partial<EntryKeys> = {}): EntryKeys => ({
  eventId: fresh('event'),
  atMs: nowMs + counter,
  actorId: 'alice',
  subjectId: 'room',
  action: 'message.deleted',
  traceId: '',
  ...over,
});

/** Entries for a tree at `frontier`, which they let grow; a leaf is its event's id. */
const entriesFor = (frontier: Frontier, keys: readonly EntryKeys[]): NewEntry[] =>
  keys.map((each) => {
    const leaf = Buffer.from(each.eventId);
    return { ...each, loggedAtMs: each.atMs + 5, leaf, subtrees: frontier.add(leaf) };
  });

export const auditStoreContract = (name: string, open: () => Promise<AuditStoreUnderTest>): void => {
  describe(`audit store on ${name}`, () => {
    let under: AuditStoreUnderTest;
    let store: AuditStore;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    });
    afterAll(() => store.close());

    /** A tenant with these entries. */
    const tenantWith = async (keys: readonly EntryKeys[]): Promise<string> => {
      const tenantId = fresh('tenant');
      expect(await store.trees.append(tenantId, 0, entriesFor(new Frontier(), keys))).toBe(keys.length);
      return tenantId;
    };
    const found = async (query: Omit<EntryQuery, 'limit'> & { limit?: number }): Promise<string[]> =>
      (await store.trees.query({ limit: 100, ...query })).map(({ leaf }) => text(leaf));

    describe('trees', () => {
      test('a tree grows from nothing, and its entries are read as they came', async () => {
        const tenantId = fresh('tenant');
        const frontier = new Frontier();
        const [first, second] = [
          [keysOf(), keysOf(), keysOf()],
          [keysOf(), keysOf()],
        ];
        expect(await store.trees.head(tenantId)).toEqual({ size: 0, loggedAtMs: 0 });
        expect(await store.trees.leaves(tenantId, 0, 10)).toEqual([]);
        expect(await store.trees.append(tenantId, 0, entriesFor(frontier, first))).toBe(3);
        expect(await store.trees.append(tenantId, 3, entriesFor(frontier, second))).toBe(2);
        const all = [...first, ...second];
        expect(await store.trees.head(tenantId)).toEqual({ size: 5, loggedAtMs: (all[4] as EntryKeys).atMs + 5 });
        expect((await store.trees.leaves(tenantId, 0, 10)).map(text)).toEqual(all.map(({ eventId }) => eventId));
        expect((await store.trees.leaves(tenantId, 1, 3)).map(text)).toEqual(
          all.slice(1, 4).map(({ eventId }) => eventId),
        );
        expect(await store.trees.leaves(tenantId, 5, 10)).toEqual([]);
      });

      test('who has not seen the tree as it is appends nothing', async () => {
        const tenantId = await tenantWith([keysOf(), keysOf()]);
        for (const size of [0, 1, 3]) {
          expect(await store.trees.append(tenantId, size, entriesFor(new Frontier(), [keysOf()]))).toBe(0);
        }
        expect((await store.trees.head(tenantId)).size).toBe(2);
        expect(await store.trees.append(tenantId, 2, [])).toBe(0);
      });

      test('of writers that race, each entry is one’s, none is lost and none is there twice', async () => {
        const tenantId = fresh('tenant');
        const other = await under.another();
        const write = async (by: AuditStore, keys: EntryKeys[]): Promise<void> => {
          let left = keys;
          while (left.length > 0) {
            const { size } = await by.trees.head(tenantId);
            const frontier = new Frontier(size, await by.trees.subtrees(tenantId, frontierOf(size)));
            const appended = await by.trees.append(tenantId, size, entriesFor(frontier, left.slice(0, 7)));
            left = left.slice(appended);
          }
        };
        const keys = Array.from({ length: 60 }, () => keysOf());
        await Promise.all([write(store, keys.slice(0, 30)), write(other, keys.slice(30))]);
        const leaves = (await store.trees.leaves(tenantId, 0, 100)).map(text);
        expect(leaves.toSorted()).toEqual(keys.map(({ eventId }) => eventId).toSorted());
        // Each writer's own are in its order.
        for (const own of [keys.slice(0, 30), keys.slice(30)])
          expect(leaves.filter((leaf) => own.some(({ eventId }) => eventId === leaf))).toEqual(
            own.map(({ eventId }) => eventId),
          );
        const expected = new Frontier();
        for (const leaf of leaves) expected.add(Buffer.from(leaf));
        const kept = new Frontier(60, await other.trees.subtrees(tenantId, frontierOf(60)));
        expect(kept.root()).toEqual(expected.root());
        await other.close();
      });

      test('the hashes of complete subtrees are there for every one, and no others', async () => {
        const keys = Array.from({ length: 21 }, () => keysOf());
        const tenantId = await tenantWith(keys);
        const frontier = new Frontier();
        for (const [last, entry] of entriesFor(frontier, keys).entries()) {
          const asked = entry.subtrees.map((_, level) => ({ last, level }));
          expect(await store.trees.subtrees(tenantId, asked)).toEqual(entry.subtrees);
          expect((entry.subtrees[0] as Uint8Array).length).toBe(hashBytes);
        }
        expect(await store.trees.subtrees(tenantId, [])).toEqual([]);
        for (const wrong of [
          { last: 21, level: 0 },
          { last: 4, level: 1 },
        ])
          await expect(store.trees.subtrees(tenantId, [wrong])).rejects.toMatchObject({ reason: 'NOT_FOUND' });
        await expect(store.trees.subtrees(fresh('tenant'), [{ last: 0, level: 0 }])).rejects.toMatchObject({
          reason: 'NOT_FOUND',
        });
      });

      test('an event that has an entry is known, to its tenant only', async () => {
        const [a, b] = [keysOf(), keysOf()];
        const tenantId = await tenantWith([a, b]);
        const ids = [b.eventId, fresh('event'), a.eventId];
        expect((await store.trees.known(tenantId, ids)).toSorted()).toEqual([a.eventId, b.eventId].toSorted());
        expect(await store.trees.known(tenantId, [])).toEqual([]);
        expect(await store.trees.known(await tenantWith([keysOf()]), ids)).toEqual([]);
        // The same id in two tenants is two events.
        expect(await store.trees.append(fresh('tenant'), 0, entriesFor(new Frontier(), [a]))).toBe(1);
      });

      test('more than a call may name is refused', async () => {
        const tooMany = maxEntriesPerCall + 1;
        const refusal = { reason: 'INVALID_ARGUMENT' };
        await expect(store.trees.leaves('t', 0, tooMany)).rejects.toMatchObject(refusal);
        await expect(store.trees.query({ tenantId: 't', limit: tooMany })).rejects.toMatchObject(refusal);
        await expect(store.trees.known('t', Array(tooMany).fill('e'))).rejects.toMatchObject(refusal);
        await expect(store.trees.append('t', 0, Array(tooMany).fill({}))).rejects.toMatchObject(refusal);
      });
    });

    describe('queries', () => {
      const traceId = 'ab'.repeat(16);
      let tenantId: string;
      let otherTenant: string;
      const keys = [
        keysOf({ eventId: 'q0', atMs: 10, actorId: 'alice', subjectId: 'm1', action: 'message.deleted' }),
        keysOf({ eventId: 'q1', atMs: 40, actorId: 'bob', subjectId: 'm1', action: 'message.deleted', traceId }),
        keysOf({ eventId: 'q2', atMs: 20, actorId: 'alice', subjectId: 'c1', action: 'conversation.created', traceId }),
        keysOf({ eventId: 'q3', atMs: 30, actorId: 'alice', subjectId: 'c1', action: 'conversation.archived' }),
        keysOf({ eventId: 'q4', atMs: 30, actorId: '50%_', subjectId: "o'neil", action: 'token.issued' }),
      ];
      beforeAll(async () => {
        tenantId = await tenantWith(keys);
        otherTenant = await tenantWith(keys.map((each) => ({ ...each, eventId: `other-${each.eventId}` })));
      });

      test('answer newest first by when it happened, then by index', async () => {
        expect(await found({ tenantId })).toEqual(['q1', 'q4', 'q3', 'q2', 'q0']);
      });

      test.each<[string, Partial<EntryQuery>, string[]]>([
        ['actor', { actorId: 'alice' }, ['q3', 'q2', 'q0']],
        ['subject', { subjectId: 'm1' }, ['q1', 'q0']],
        ['action', { action: 'conversation.created' }, ['q2']],
        ['area', { action: 'conversation.*' }, ['q3', 'q2']],
        ['half a name of an area', { action: 'conv.*' }, []],
        ['trace', { traceId }, ['q1', 'q2']],
        ['time', { fromMs: 20, untilMs: 40 }, ['q4', 'q3', 'q2']],
        ['all of them', { actorId: 'alice', subjectId: 'c1', action: 'conversation.*', traceId, fromMs: 1 }, ['q2']],
        ['signs that engines read', { actorId: '50%_', subjectId: "o'neil" }, ['q4']],
        ['a pattern', { actorId: '%' }, []],
        ['nobody', { actorId: '' }, []],
      ])('by %s find what there is', async (_, query, expected) => {
        expect(await found({ tenantId, ...query })).toEqual(expected);
      });

      test('go on where a page ended, also among entries of one time', async () => {
        const pages: string[][] = [];
        let after: EntryQuery['after'];
        for (;;) {
          const page = await store.trees.query({ tenantId, limit: 2, ...(after && { after }) });
          pages.push(page.map(({ leaf }) => text(leaf)));
          const last = page.at(-1);
          if (!last || page.length < 2) break;
          after = { atMs: last.atMs, index: last.index };
        }
        expect(pages).toEqual([['q1', 'q4'], ['q3', 'q2'], ['q0']]);
      });

      test('never show another tenant’s', async () => {
        for (const query of [{}, { actorId: 'alice' }, { traceId }, { action: 'message.*' }, { subjectId: 'm1' }]) {
          const leaves = await found({ tenantId: otherTenant, ...query });
          expect(leaves.length).toBeGreaterThan(0);
          expect(leaves.every((leaf) => leaf.startsWith('other-'))).toBe(true);
        }
        expect(await found({ tenantId: fresh('tenant') })).toEqual([]);
      });
    });

    describe('checkpoints', () => {
      const checkpoint = (tenantId: string, treeSize: number, mark: number) => ({
        tenantId,
        treeSize,
        rootHash: new Uint8Array(32).fill(mark),
        signedAtMs: nowMs + mark,
        keyId: `key-${mark}`,
        signature: new Uint8Array(64).fill(mark),
      });

      test('the newest is kept, and one of a smaller tree does not take its place', async () => {
        const tenantId = fresh('tenant');
        expect(await store.checkpoints.newest(tenantId)).toBeUndefined();
        await store.checkpoints.keep(checkpoint(tenantId, 5, 1));
        await store.checkpoints.keep(checkpoint(tenantId, 4, 2));
        expect(await store.checkpoints.newest(tenantId)).toEqual(checkpoint(tenantId, 5, 1));
        await store.checkpoints.keep(checkpoint(tenantId, 5, 3));
        await store.checkpoints.keep(checkpoint(fresh('tenant'), 9, 4));
        expect(await store.checkpoints.newest(tenantId)).toEqual(checkpoint(tenantId, 5, 3));
      });

      test('of those that come at once the largest stays', async () => {
        const tenantId = fresh('tenant');
        await Promise.all([3, 9, 1, 7, 5].map((size) => store.checkpoints.keep(checkpoint(tenantId, size, size))));
        expect((await store.checkpoints.newest(tenantId))?.treeSize).toBe(9);
      });
    });

    test('signing keys are listed newest first, and an id that is taken stays as it is', async () => {
      const key = (createdAtMs: number) => ({
        keyId: fresh('key'),
        publicJwk: '{}',
        sealedPrivateKey: Uint8Array.of(1, 2, 3),
        createdAtMs,
      });
      const [a, b] = [key(nowMs), key(nowMs + 1)];
      expect([await store.signingKeys.add(a), await store.signingKeys.add(b)]).toEqual([true, true]);
      expect(await store.signingKeys.add({ ...b, publicJwk: '{"x":1}' })).toBe(false);
      expect(await store.signingKeys.list()).toEqual([b, a]);
      await store.signingKeys.remove(a.keyId);
      expect(await store.signingKeys.list()).toEqual([b]);
    });

    test('everything is still there after the store was closed and opened again', async () => {
      const keys = [keysOf(), keysOf(), keysOf()];
      const tenantId = await tenantWith(keys);
      const head = await store.trees.head(tenantId);
      const signingKeys = await store.signingKeys.list();
      store = await under.reopen();
      expect(await store.trees.head(tenantId)).toEqual(head);
      expect((await store.trees.leaves(tenantId, 0, 10)).map(text)).toEqual(keys.map(({ eventId }) => eventId));
      expect(await store.signingKeys.list()).toEqual(signingKeys);
    });
  });
};
