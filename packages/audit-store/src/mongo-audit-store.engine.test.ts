import { dropDatabase, mongoForTest } from '@caas/mongo/testing';
import { afterAll, expect, test } from '@jest/globals';
import { auditStoreContract } from './contract.ts';
import { openMongoAuditStore } from './mongo/index.ts';

const options = mongoForTest('audit');
afterAll(() => dropDatabase(options));

auditStoreContract('MongoDB', async () => {
  const store = await openMongoAuditStore(options);
  return {
    store,
    another: () => openMongoAuditStore(options),
    reopen: async () => {
      await store.close();
      return openMongoAuditStore(options);
    },
  };
});

test('a closed store refuses with DRAINING', async () => {
  const store = await openMongoAuditStore(options);
  await store.close();
  await expect(store.trees.head('a')).rejects.toMatchObject({ reason: 'DRAINING' });
});
