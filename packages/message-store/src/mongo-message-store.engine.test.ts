import { dropDatabase, mongoForTest } from '@caas/mongo/testing';
import { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { afterAll, expect, test } from '@jest/globals';
import { aRoom } from './contract/builders.ts';
import { messageStoreContract } from './contract.ts';
import { openMongoMessageStore } from './mongo/index.ts';

const options = mongoForTest('messages');
afterAll(() => dropDatabase(options));

messageStoreContract('MongoDB', async () => {
  const store = await openMongoMessageStore(options);
  return {
    store,
    reopen: async () => {
      await store.close();
      return openMongoMessageStore(options);
    },
  };
});

test('a worker of an earlier epoch changes nothing, over connections of its own', async () => {
  const [old, young] = await Promise.all([openMongoMessageStore(options), openMongoMessageStore(options)]);
  const [before, after] = [await old.conversations.claimShard(0), await young.conversations.claimShard(0)];
  expect(after).toBeGreaterThan(before);
  const { key, message, head } = aRoom();
  await old.conversations.commit([{ expectedHeadRev: 0, document: head(1, before) }]);
  const documents = Array.from({ length: 50 }, (_, i) => message({ seq: i + 1, rev: i + 2 }));
  // The old one is in the middle of its batch when the young one fences it off and applies the same events.
  const late = old.messages.write(documents.map((d) => ({ ...d, epoch: before, deletedBy: 'old' })));
  await young.conversations.commit([{ expectedHeadRev: 1, document: head(1, after) }]);
  await young.messages.write(documents.map((d) => ({ ...d, epoch: after })));
  await late;
  await old.messages.write(documents.map((d) => ({ ...d, epoch: before, deletedBy: 'older still' })));
  expect(await old.conversations.commit([{ expectedHeadRev: 1, document: head(51, before) }])).toEqual(['stale']);
  expect(await young.conversations.commit([{ expectedHeadRev: 1, document: head(51, after) }])).toEqual(['committed']);
  expect(await old.messages.getMany(documents)).toEqual(documents.map((d) => ({ ...d, epoch: after })));
  expect((await old.conversations.getMany([key]))[0]).toEqual(head(51, after));
  await Promise.all([old.close(), young.close()]);
});

test('of the very first claims, made at the same time, each has an epoch of its own', async () => {
  const own = mongoForTest('first_claims');
  const stores = await Promise.all([openMongoMessageStore(own), openMongoMessageStore(own)]);
  const claims = await Promise.all(stores.flatMap(({ conversations }) => [0, 1, 2].map(conversations.claimShard)));
  expect(claims.sort()).toEqual([1, 2, 3, 4, 5, 6]);
  await Promise.all(stores.map((store) => store.close()));
  await dropDatabase(own);
});

test('a document past what MongoDB takes is refused, naming the limit; one just below is kept', async () => {
  const store = await openMongoMessageStore(options);
  const { message } = aRoom();
  const ofBytes = (bytes: number): MessageDocument => message({ contentHash: Buffer.alloc(bytes, 1) });
  await expect(store.messages.write([ofBytes(16 * 1024 * 1024)])).rejects.toMatchObject({
    reason: 'INVALID_ARGUMENT',
    details: { limit: 'maxBodyBytes' },
  });
  const large = ofBytes(15.9 * 1024 * 1024);
  await store.messages.write([large]);
  const [stored] = await store.messages.getMany([large]);
  const encoded = [stored as MessageDocument, large].map((d) => MessageDocument.encode(d).finish());
  expect(Buffer.compare(encoded[0] as Uint8Array, encoded[1] as Uint8Array)).toBe(0);
  await store.close();
});

test('a closed store refuses with DRAINING', async () => {
  const store = await openMongoMessageStore(options);
  await store.close();
  await expect(store.conversations.claimShard(0)).rejects.toMatchObject({ reason: 'DRAINING' });
});
