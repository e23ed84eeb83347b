/** What every adapter of the object store has to do. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { objectKey, objectPrefix } from './keys.ts';
import type { ByteRange, ObjectStore } from './port.ts';

export interface ObjectStoreUnderTest {
  store: ObjectStore;
  /** Closes the store and opens the same data again. */
  reopen(): Promise<ObjectStore>;
}

let counter = 0;
/** A name no other test uses, so that all tests can share one store. */
const fresh = (kind: string): string => `${kind}-${++counter}-${randomBytes(4).toString('hex')}`;

async function* inPieces(bytes: Uint8Array, size = 1_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export const objectStoreContract = (name: string, open: () => Promise<ObjectStoreUnderTest>): void => {
  describe(`object store on ${name}`, () => {
    let under: ObjectStoreUnderTest;
    let store: ObjectStore;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    });
    afterAll(() => store.close());

    const put = (key: string, bytes: Uint8Array) => store.put(key, inPieces(bytes), bytes.length);
    const read = async (key: string, range?: ByteRange, from = store): Promise<Buffer | undefined> => {
      const found = await from.get(key, range);
      return found && Buffer.concat(await found.body.toArray());
    };

    test('gives back what was put, whole or in part, and after it was opened anew', async () => {
      const [key, bytes] = [objectKey(fresh('t'), 'a', 'b'), randomBytes(200_000)];
      expect(await put(key, bytes)).toBe('put');
      expect(await store.head(key)).toBe(bytes.length);
      expect((await read(key))?.equals(bytes)).toBe(true);
      expect(await read(key, { from: 70_000, to: 70_003 })).toEqual(bytes.subarray(70_000, 70_003));
      const unread = await store.get(key, { from: 0, to: 1 });
      expect(unread?.sizeBytes).toBe(bytes.length);
      unread?.body.destroy();
      store = await under.reopen();
      expect((await read(key))?.equals(bytes)).toBe(true);
    });

    test('has nothing where nothing was put', async () => {
      const key = objectKey(fresh('t'), 'a');
      expect([await store.get(key), await store.head(key)]).toEqual([undefined, undefined]);
      await store.delete(key);
      expect(await store.deletePrefix(objectPrefix(fresh('t'), 'a'))).toBe(0);
    });

    test('keeps what was there when a put has another size or its source fails', async () => {
      const [key, before] = [objectKey(fresh('t'), 'a'), randomBytes(10)];
      await put(key, before);
      for (const size of [99, 101]) expect(await store.put(key, inPieces(randomBytes(100)), size)).toBe('size');
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield randomBytes(10);
        throw new Error('the source broke');
      }
      await expect(store.put(key, failing(), 20)).rejects.toThrow('the source broke');
      expect(await read(key)).toEqual(before);
      const never = objectKey(fresh('t'), 'never');
      await store.put(never, inPieces(randomBytes(100)), 99);
      expect(await store.head(never)).toBeUndefined();
    });

    test('takes the later of two puts, whole; a read that began before goes on with the earlier', async () => {
      const key = objectKey(fresh('t'), 'a');
      const [one, two] = [randomBytes(300_000), randomBytes(200_000)];
      await put(key, one);
      const earlier = await store.get(key);
      await put(key, two);
      expect(Buffer.concat((await earlier?.body.toArray()) ?? []).equals(one)).toBe(true);
      expect((await read(key))?.equals(two)).toBe(true);
      const many = await Promise.all([one, two, one, two].map((bytes) => put(key, bytes)));
      expect(many).toEqual(['put', 'put', 'put', 'put']);
      const last = await read(key);
      expect(last?.equals(one) || last?.equals(two)).toBe(true);
    });

    test('lists by prefix, page by page in order, and deletes by prefix what is below and nothing beside', async () => {
      const tenant = fresh('t');
      const keys = [
        ['m', 'a', '1'],
        ['m', 'a', '2'],
        ['m', 'a-b', '1'],
        ['m', 'b'],
        ['n', 'a'],
      ].map((parts) => objectKey(tenant, ...parts));
      for (const [i, key] of keys.entries()) await put(key, randomBytes(i + 1));
      const seen: string[] = [];
      for (;;) {
        const page = await store.list(objectPrefix(tenant, 'm'), seen.at(-1) ?? '', 2);
        if (page.length === 0) break;
        for (const { key, sizeBytes } of page) expect(sizeBytes).toBe(keys.indexOf(key) + 1);
        seen.push(...page.map(({ key }) => key));
      }
      expect(seen).toEqual(keys.slice(0, 4).toSorted());
      expect(await store.deletePrefix(objectPrefix(tenant, 'm', 'a'))).toBe(2);
      const left = await store.list(objectPrefix(tenant, 'm'), '', 10);
      expect(left.map(({ key }) => key)).toEqual([keys[2], keys[3]]);
      await store.delete(keys[3] as string);
      expect(await read(keys[3] as string)).toBeUndefined();
      expect(await store.head(keys[4] as string)).toBe(5);
    });

    test('has a place of its own for each tenant, whatever characters its id has', async () => {
      const ids = ['..', '.', 'a/b', 'a\0b', '~YS9i', 'ü', 'a b', 'a'];
      const keys = ids.map((id) => objectKey(id, 'x'));
      expect(new Set(keys).size).toBe(ids.length);
      for (const [i, key] of keys.entries()) await put(key, Buffer.from(String(i)));
      for (const [i, key] of keys.entries()) expect(String(await read(key))).toBe(String(i));
      for (const id of ids) expect(await store.deletePrefix(objectPrefix(id))).toBe(1);
    });

    test('refuses what is no key, in every verb', async () => {
      const wrong = ['', 'a', '/a/b', 'a//b', 'a/../b', 'a/./b', 'a/b/', 'a/b\0', 'a/b c', `a/${'x'.repeat(129)}`];
      for (const key of wrong) {
        const refused = { reason: 'INVALID_ARGUMENT' };
        await expect(put(key, Buffer.alloc(1))).rejects.toMatchObject(refused);
        await expect(store.get(key)).rejects.toMatchObject(refused);
        await expect(store.head(key)).rejects.toMatchObject(refused);
        await expect(store.delete(key)).rejects.toMatchObject(refused);
      }
      for (const prefix of ['', '/', 'a', '../', 'a/../', 'a//'])
        for (const call of [store.deletePrefix(prefix), store.list(prefix, '', 1)])
          await expect(call).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
    });
  });
};
