import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { policyStoreContract } from './contract.ts';
import { openSqlitePolicyStore } from './index.ts';

const folder = await mkdtemp(join(tmpdir(), 'policy-store-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

policyStoreContract('SQLite', async () => {
  const file = join(folder, 'policies.db');
  const store = await openSqlitePolicyStore({ file });
  return {
    store,
    another: () => openSqlitePolicyStore({ file }),
    reopen: async () => {
      await store.close();
      return openSqlitePolicyStore({ file });
    },
  };
});

test('a closed store refuses with DRAINING', async () => {
  const store = await openSqlitePolicyStore({ file: join(folder, 'closed.db') });
  await store.close();
  await expect(store.get('a', 0)).rejects.toMatchObject({ reason: 'DRAINING' });
});
