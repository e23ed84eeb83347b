import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { auditStoreContract } from './contract.ts';
import { openSqliteAuditStore } from './index.ts';

const folder = await mkdtemp(join(tmpdir(), 'audit-store-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

auditStoreContract('SQLite', async () => {
  const file = join(folder, 'audit.db');
  const store = await openSqliteAuditStore({ file });
  return {
    store,
    another: () => openSqliteAuditStore({ file }),
    reopen: async () => {
      await store.close();
      return openSqliteAuditStore({ file });
    },
  };
});

test('a closed store refuses with DRAINING', async () => {
  const store = await openSqliteAuditStore({ file: join(folder, 'closed.db') });
  await store.close();
  await expect(store.trees.head('a')).rejects.toMatchObject({ reason: 'DRAINING' });
});
