import { dropDatabase, mongoForTest } from '@caas/mongo/testing';
import { afterAll, expect, test } from '@jest/globals';
import { accountStoreContract } from './contract.ts';
import { openMongoAccountStore } from './mongo/index.ts';

const options = mongoForTest('accounts');
afterAll(() => dropDatabase(options));

accountStoreContract('MongoDB', async () => {
  const store = await openMongoAccountStore(options);
  return {
    store,
    reopen: async () => {
      await store.close();
      return openMongoAccountStore(options);
    },
  };
});

test('a closed store refuses with DRAINING', async () => {
  const store = await openMongoAccountStore(options);
  await store.close();
  await expect(store.tenants.get('a')).rejects.toMatchObject({ reason: 'DRAINING' });
});
