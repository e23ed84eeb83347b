import { dropDatabase, mongoForTest } from '@caas/mongo/testing';
import { afterAll, expect, test } from '@jest/globals';
import { policyStoreContract } from './contract.ts';
import { openMongoPolicyStore } from './mongo/index.ts';

const options = mongoForTest('policy');
afterAll(() => dropDatabase(options));

policyStoreContract('MongoDB', async () => {
  const store = await openMongoPolicyStore(options);
  return {
    store,
    another: () => openMongoPolicyStore(options),
    reopen: async () => {
      await store.close();
      return openMongoPolicyStore(options);
    },
  };
});

test('a closed store refuses with DRAINING', async () => {
  const store = await openMongoPolicyStore(options);
  await store.close();
  await expect(store.get('a', 0)).rejects.toMatchObject({ reason: 'DRAINING' });
});
