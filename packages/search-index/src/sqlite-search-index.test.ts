import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { searchIndexContract } from './contract.ts';
import { openSqliteSearchIndex } from './index.ts';

const folder = await mkdtemp(join(tmpdir(), 'search-index-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

searchIndexContract('SQLite', async () => {
  const file = join(folder, 'search.db');
  let index = await openSqliteSearchIndex({ file });
  return {
    index,
    reopen: async () => {
      await index.close();
      index = await openSqliteSearchIndex({ file });
      return index;
    },
    refresh: async () => undefined,
    bytes: async () => {
      const names = (await readdir(folder)).filter((name) => name.startsWith('search.db'));
      return Buffer.concat(await Promise.all(names.map((name) => readFile(join(folder, name)))));
    },
  };
});

test('a closed index refuses with DRAINING', async () => {
  const index = await openSqliteSearchIndex({ file: join(folder, 'closed.db') });
  await index.close();
  await expect(index.count()).rejects.toMatchObject({ reason: 'DRAINING' });
});
