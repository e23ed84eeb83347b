import { dropDatabase, mongoForTest } from '@caas/mongo/testing';
import { afterAll, expect, test } from '@jest/globals';
import { mediaStoreContract } from './contract.ts';
import { openMongoMediaStore } from './mongo/index.ts';

const options = mongoForTest('media');
afterAll(() => dropDatabase(options));

mediaStoreContract('MongoDB', async () => {
  const store = await openMongoMediaStore(options);
  return {
    store,
    reopen: async () => {
      await store.close();
      return openMongoMediaStore(options);
    },
  };
});

test('a closed store refuses with DRAINING', async () => {
  const store = await openMongoMediaStore(options);
  await store.close();
  await expect(store.getMany('t', ['a'])).rejects.toMatchObject({ reason: 'DRAINING' });
});
