import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MediaRefusal, MediaState } from '@caas/proto/caas/media/v1/resources';
import { expect, test } from '@jest/globals';
import { claimsOf, putParts, startMedia } from '../testing.ts';
import { clamdScanner } from './clamd-scanner.ts';

/** The file that scanners know and nobody fears, made here so that no file of the tree is one. */
const eicar = (): string => ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE', '!$H+H*'].join('');

const clamdAddress = process.env['MEDIA_CLAMD_ADDRESS'] ?? '';

test('clamd finds what it knows, passes what is clean, does not pass what is too large, and is told when away', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'media-clamd-'));
  const file = join(folder, 'file');
  const verdictOn = async (bytes: string | Buffer, address = clamdAddress) => {
    await writeFile(file, bytes);
    return clamdScanner(address).scan(file);
  };
  expect(await verdictOn('nothing to see')).toBe('clean');
  expect(await verdictOn(eicar())).toEqual({ found: expect.stringContaining('Eicar') });
  expect(await verdictOn(Buffer.alloc(30_000_000, 1))).toBe('not scanned');
  await expect(verdictOn('x', '127.0.0.1:1')).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
  await rm(folder, { recursive: true, force: true });
});

test('an upload with malware is refused, kept apart sealed and handed out to nobody, and goes with its user', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'media-clamd-'));
  const media = await startMedia(folder, { clamdAddress });
  const claims = claimsOf('alice');
  const uploaded = async (text: string) => {
    const bytes = Buffer.from(text);
    const file = { claims, name: 'a.txt', mediaType: '', sha256: '', sizeBytes: bytes.length };
    const upload = await media.socket.createUpload(file);
    await putParts(upload.parts, bytes);
    return (await media.socket.completeUpload({ claims, mediaId: upload.media?.mediaId as string })).media;
  };
  const clean = await uploaded('clean');
  expect([clean?.state, clean?.capabilitiesMissing]).toEqual([MediaState.MEDIA_STATE_COMMITTED, []]);
  const bad = await uploaded(eicar());
  expect([bad?.state, bad?.refusal, bad?.renditions]).toEqual([
    MediaState.MEDIA_STATE_REFUSED,
    MediaRefusal.MEDIA_REFUSAL_MALWARE,
    [],
  ]);
  const kept = await media.objects.list('t1/quarantine/', '', 10);
  expect(kept.map(({ key }) => key)).toEqual([`t1/quarantine/${bad?.mediaId}/original`]);
  const found = await media.objects.get(kept[0]?.key as string);
  expect(Buffer.concat((await found?.body.toArray()) ?? []).includes('EICAR')).toBe(false);
  await media.compliance.deleteUserMedia({ tenantId: 't1', userId: 'alice', afterMediaId: '' });
  expect(await media.objects.list('t1/', '', 10)).toEqual([]);
  await media.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);
