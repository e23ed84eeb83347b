import { dropDatabase, mongoForTest } from '@caas/mongo/testing';
import { afterAll, expect, test } from '@jest/globals';
import { keyStoreContract } from './contract.ts';
import { openMongoKeyStore } from './mongo/index.ts';

const options = mongoForTest('keys');
afterAll(() => dropDatabase(options));

keyStoreContract('MongoDB', async () => {
  const store = await openMongoKeyStore(options);
  return {
    store,
    reopen: async () => {
      await store.close();
      return openMongoKeyStore(options);
    },
  };
});

test('a closed store refuses with DRAINING', async () => {
  const store = await openMongoKeyStore(options);
  await store.close();
  await expect(store.tenants.get('a')).rejects.toMatchObject({ reason: 'DRAINING' });
});
