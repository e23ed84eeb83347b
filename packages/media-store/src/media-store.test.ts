import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MediaKind, MediaRefusal, MediaState } from '@caas/proto/caas/media/v1/resources';
import { afterAll, expect, test } from '@jest/globals';
import { mediaStoreContract } from './contract.ts';
import { openSqliteMediaStore } from './index.ts';

const folder = await mkdtemp(join(tmpdir(), 'media-store-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

mediaStoreContract('SQLite', async () => {
  const file = join(folder, 'media.db');
  const store = await openSqliteMediaStore({ file });
  return {
    store,
    reopen: async () => {
      await store.close();
      return openSqliteMediaStore({ file });
    },
  };
});

test('no byte of a name that was taken out is in a file', async () => {
  const dir = join(folder, 'names');
  const store = await openSqliteMediaStore({ file: join(dir, 'media.db') });
  const bytesIn = async () =>
    Buffer.concat(await Promise.all((await readdir(dir)).map((name) => readFile(join(dir, name)))));
  const record = (mediaId: string) => ({
    tenantId: 't',
    mediaId,
    userId: 'u',
    state: MediaState.MEDIA_STATE_UPLOADING,
    refusal: MediaRefusal.MEDIA_REFUSAL_UNSPECIFIED,
    kind: MediaKind.MEDIA_KIND_UNSPECIFIED,
    mediaType: '',
    sealedName: Buffer.from(`canary-of-${mediaId}-`.repeat(3)),
    sizeBytes: 1,
    sha256: '',
    renditions: [],
    capabilitiesMissing: [],
    attempts: 0,
    createdAtMs: 1,
    dueAtMs: 0,
  });
  for (let i = 0; i < 300; i += 1) await store.create(record(`m${i}`));
  expect((await bytesIn()).includes('canary-of-m7-')).toBe(true);
  for (let i = 0; i < 300; i += 1)
    await store.replace({
      ...record(`m${i}`),
      rev: 1,
      sealedName: new Uint8Array(0),
      state: MediaState.MEDIA_STATE_DELETED,
    });
  expect((await bytesIn()).includes('canary-of-')).toBe(false);
  await store.close();
}, 30_000);

test('a closed store refuses with DRAINING', async () => {
  const store = await openSqliteMediaStore({ file: join(folder, 'closed.db') });
  await store.close();
  await expect(store.getMany('t', ['a'])).rejects.toMatchObject({ reason: 'DRAINING' });
});
