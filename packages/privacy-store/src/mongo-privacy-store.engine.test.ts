import { dropDatabase, mongoForTest } from '@caas/mongo/testing';
import { afterAll, expect, test } from '@jest/globals';
import { privacyStoreContract } from './contract.ts';
import { openMongoPrivacyStore } from './mongo/index.ts';

const options = mongoForTest('privacy');
afterAll(() => dropDatabase(options));

privacyStoreContract('MongoDB', async () => {
  const store = await openMongoPrivacyStore(options);
  return {
    store,
    reopen: async () => {
      await store.close();
      return openMongoPrivacyStore(options);
    },
  };
});

test('a closed store refuses with DRAINING', async () => {
  const store = await openMongoPrivacyStore(options);
  await store.close();
  await expect(store.jobs.get('t', 'a')).rejects.toMatchObject({ reason: 'DRAINING' });
});
