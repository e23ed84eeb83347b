import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { objectStoreContract } from './contract.ts';
import { objectKey, openFolderObjectStore } from './index.ts';

const folder = await mkdtemp(join(tmpdir(), 'object-store-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

objectStoreContract('a folder', async () => ({
  store: await openFolderObjectStore({ folder }),
  reopen: () => openFolderObjectStore({ folder }),
}));

test('what a crash left half written is gone at the next start, and no folder stays empty', async () => {
  const own = join(folder, 'crashed');
  const store = await openFolderObjectStore({ folder: own });
  await writeFile(join(own, 'drafts', 'half'), 'half');
  await store.put(objectKey('t', 'a', 'b'), [Buffer.from('x')] as never, 1);
  await openFolderObjectStore({ folder: own });
  expect(await readdir(join(own, 'drafts'))).toEqual([]);
  await store.delete(objectKey('t', 'a', 'b'));
  expect(await readdir(join(own, 'objects'))).toEqual([]);
});

test('a folder that can’t be used is told', async () => {
  const file = join(folder, 'file');
  await writeFile(file, '');
  await expect(openFolderObjectStore({ folder: join(file, 'x') })).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
});
