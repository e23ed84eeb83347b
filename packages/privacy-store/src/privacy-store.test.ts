import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { privacyStoreContract } from './contract.ts';
import { openSqlitePrivacyStore } from './index.ts';

const folder = await mkdtemp(join(tmpdir(), 'privacy-store-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

privacyStoreContract('SQLite', async () => {
  const file = join(folder, 'privacy.db');
  const store = await openSqlitePrivacyStore({ file });
  return {
    store,
    reopen: async () => {
      await store.close();
      return openSqlitePrivacyStore({ file });
    },
  };
});

test('a closed store refuses with DRAINING', async () => {
  const store = await openSqlitePrivacyStore({ file: join(folder, 'closed.db') });
  await store.close();
  await expect(store.jobs.get('t', 'a')).rejects.toMatchObject({ reason: 'DRAINING' });
});
