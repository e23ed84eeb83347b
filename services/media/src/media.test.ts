import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@caas/kit/testing/until';
import { type Media, MediaKind, MediaRefusal, MediaState } from '@caas/proto/caas/media/v1/resources';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { SignedUrls } from './http/signed-urls.ts';
import { claimsOf, type MediaUnderTest, putParts, startMedia } from './testing.ts';

const folder = await mkdtemp(join(tmpdir(), 'media-'));
let media: MediaUnderTest;
beforeAll(async () => {
  media = await startMedia(folder);
});
afterAll(async () => {
  await media.stop();
  await rm(folder, { recursive: true, force: true });
});

const alice = claimsOf('alice');
const bob = claimsOf('bob');

const created = (bytes: Uint8Array, name: string, over: { mediaType?: string; sha256?: string } = {}, claims = alice) =>
  media.socket.createUpload({ claims, name, mediaType: '', sha256: '', sizeBytes: bytes.length, ...over });
const idOf = (answer: { media: Media | undefined }): string => answer.media?.mediaId as string;

/** Uploads and completes, and waits for the end of the processing. */
const uploaded = async (
  bytes: Uint8Array,
  name: string,
  over: { mediaType?: string; sha256?: string } = {},
  claims = alice,
): Promise<Media> => {
  const upload = await created(bytes, name, over, claims);
  expect(await putParts(upload.parts, bytes)).toEqual(upload.parts.map(() => 204));
  const mediaId = idOf(upload);
  await media.socket.completeUpload({ claims, mediaId });
  const { media: done } = await until(
    'the end of the processing',
    () => media.socket.getMedia({ claims, mediaId, carried: false }),
    ({ media: now }) => now?.state !== MediaState.MEDIA_STATE_PROCESSING,
  );
  return done as Media;
};

const urlOf = (of: Media, name: string): string => of.renditions.find((each) => each.name === name)?.url as string;
const bytesAt = async (url: string): Promise<Buffer> => Buffer.from(await (await fetch(url)).arrayBuffer());

const aPicture = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#c03' } });

describe('an upload', () => {
  test('of a picture becomes forms of it, written anew, that are read by address, whole and in part', async () => {
    const bytes = await aPicture(2_000, 1_000).jpeg().toBuffer();
    const done = await uploaded(bytes, 'holiday.jpg', { mediaType: 'image/jpeg' });
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(done).toMatchObject({
      state: MediaState.MEDIA_STATE_COMMITTED,
      kind: MediaKind.MEDIA_KIND_IMAGE,
      mediaType: 'image/jpeg',
      name: 'holiday.jpg',
      sizeBytes: bytes.length,
      sha256,
      capabilitiesMissing: ['scan'],
      renditions: [
        { name: 'original', mediaType: 'image/jpeg', width: 2_000, height: 1_000 },
        { name: 'preview', mediaType: 'image/webp', width: 1_280, height: 640 },
        { name: 'thumbnail', mediaType: 'image/webp', width: 320, height: 160 },
      ],
    });
    const response = await fetch(urlOf(done, 'original'));
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/jpeg',
      'x-content-type-options': 'nosniff',
      'content-disposition': "inline; filename*=UTF-8''holiday.jpg",
      'content-security-policy': expect.stringContaining('sandbox'),
      'access-control-allow-origin': '*',
      'content-length': String(done.renditions[0]?.sizeBytes),
    });
    const whole = Buffer.from(await response.arrayBuffer());
    expect(await sharp(whole).metadata()).toMatchObject({ width: 2_000, height: 1_000, format: 'jpeg' });
    for (const [range, from, to] of [
      ['bytes=0-9', 0, 10],
      ['bytes=-5', whole.length - 5, whole.length],
      [`bytes=100-`, 100, whole.length],
    ] as const) {
      const part = await fetch(urlOf(done, 'original'), { headers: { range } });
      expect([part.status, part.headers.get('content-range')]).toEqual([
        206,
        `bytes ${from}-${to - 1}/${whole.length}`,
      ]);
      expect(Buffer.from(await part.arrayBuffer()).equals(whole.subarray(from, to))).toBe(true);
    }
    const beyond = await fetch(urlOf(done, 'original'), { headers: { range: `bytes=${whole.length}-` } });
    expect(beyond.status).toBe(416);
  }, 60_000);

  test('in parts goes on after a break, and is completed only when all are there; of any order and size', async () => {
    const bytes = randomBytes(20 * 1024 * 1024 + 12_345);
    const upload = await created(bytes, 'archive.bin', { sha256: createHash('sha256').update(bytes).digest('hex') });
    expect(upload.parts.map(({ sizeBytes }) => sizeBytes)).toEqual([8_388_608, 8_388_608, 4_206_649]);
    const mediaId = idOf(upload);
    const [one, two, three] = upload.parts;
    const put = (part: typeof one, body: Uint8Array) =>
      fetch(part?.url ?? '', { method: 'PUT', body: Uint8Array.from(body) }).then(({ status }) => status);
    expect(await put(three, bytes.subarray(16_777_216))).toBe(204);
    // A break in the middle leaves nothing of that part.
    const broken = new AbortController();
    const stream = new ReadableStream({
      start: (controller) => controller.enqueue(bytes.subarray(0, 100_000)),
      pull: () => broken.abort(),
    });
    await fetch(one?.url ?? '', {
      method: 'PUT',
      body: stream,
      signal: broken.signal,
      duplex: 'half',
      headers: { 'content-length': '8388608' },
    } as RequestInit).catch(() => undefined);
    await expect(media.socket.completeUpload({ claims: alice, mediaId })).rejects.toMatchObject({
      reason: 'FAILED_PRECONDITION',
      details: { arrived: '1', parts: '3' },
    });
    const again = await media.socket.getUpload({ claims: alice, mediaId });
    expect(again.parts.map(({ arrived }) => arrived)).toEqual([false, false, true]);
    expect(await put(again.parts[0], bytes.subarray(0, 8_388_608))).toBe(204);
    expect(await put(two, bytes.subarray(8_388_608, 16_777_216))).toBe(204);
    await media.socket.completeUpload({ claims: alice, mediaId });
    const { media: done } = await until(
      'committed',
      () => media.socket.getMedia({ claims: alice, mediaId, carried: false }),
      ({ media: now }) => now?.state === MediaState.MEDIA_STATE_COMMITTED,
    );
    expect(done?.kind).toBe(MediaKind.MEDIA_KIND_FILE);
    const response = await fetch(urlOf(done as Media, 'original'));
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    expect(response.headers.get('content-disposition')).toMatch(/^attachment;/);
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
    const middle = await fetch(urlOf(done as Media, 'original'), { headers: { range: 'bytes=65530-131080' } });
    expect(Buffer.from(await middle.arrayBuffer()).equals(bytes.subarray(65_530, 131_081))).toBe(true);
    const chunks: Buffer[] = [];
    for await (const { chunk } of media.compliance.readMedia({ tenantId: 't1', mediaId })) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  }, 60_000);

  test('lies sealed, name and all, and leaves nothing in the clear behind', async () => {
    const canary = `canary-${randomBytes(8).toString('hex')}`;
    const done = await uploaded(Buffer.from(`${canary} `.repeat(5_000)), `${canary}.txt`, { mediaType: 'text/plain' });
    expect(done.state).toBe(MediaState.MEDIA_STATE_COMMITTED);
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    for (const file of files) expect([file, (await readFile(file)).includes(canary)]).toEqual([file, false]);
    expect(files.filter((file) => file.includes(`uploads/${done.mediaId}`))).toEqual([]);
    expect((await bytesAt(urlOf(done, 'original'))).toString()).toContain(canary);
  });

  test('is its uploader’s alone, until a message carries it', async () => {
    const done = await uploaded(Buffer.from('for my eyes'), 'note.txt');
    const { mediaId } = done;
    const notFound = { reason: 'NOT_FOUND' };
    for (const claims of [bob, claimsOf('alice', 't2')]) {
      await expect(media.socket.getUpload({ claims, mediaId })).rejects.toMatchObject(notFound);
      await expect(media.socket.getMedia({ claims, mediaId, carried: false })).rejects.toMatchObject(notFound);
      await expect(media.socket.completeUpload({ claims, mediaId })).rejects.toMatchObject(notFound);
      await expect(media.socket.abortUpload({ claims, mediaId })).rejects.toMatchObject(notFound);
      expect((await media.socket.resolveAttachments({ claims, mediaIds: [mediaId] })).media).toEqual([]);
    }
    const other = media.socket.getMedia({ claims: claimsOf('bob', 't2'), mediaId, carried: true });
    await expect(other).rejects.toMatchObject(notFound);
    const carried = await media.socket.getMedia({ claims: bob, mediaId, carried: true });
    expect((await bytesAt(urlOf(carried.media as Media, 'original'))).toString()).toBe('for my eyes');
    const own = await media.socket.resolveAttachments({ claims: alice, mediaIds: [mediaId, 'none', mediaId] });
    expect(own.media).toMatchObject([{ mediaId, name: 'note.txt', sizeBytes: 11 }]);
  });

  test('that is aborted, or refused, leaves no bytes; what it is not yet is not handed out', async () => {
    const bytes = Buffer.from('nothing to keep');
    const upload = await created(bytes, 'a.txt');
    const mediaId = idOf(upload);
    expect((await media.socket.getMedia({ claims: alice, mediaId, carried: false })).media?.renditions).toEqual([]);
    expect((await media.socket.resolveAttachments({ claims: alice, mediaIds: [mediaId] })).media).toEqual([]);
    await putParts(upload.parts, bytes);
    await media.socket.abortUpload({ claims: alice, mediaId });
    await media.socket.abortUpload({ claims: alice, mediaId });
    expect(await putParts(upload.parts, bytes)).toEqual([409]);
    await expect(media.socket.completeUpload({ claims: alice, mediaId })).rejects.toMatchObject({
      reason: 'NOT_FOUND',
    });
    const mismatch = await uploaded(bytes, 'b.txt', { sha256: '0'.repeat(64) });
    expect([mismatch.state, mismatch.refusal]).toEqual([
      MediaState.MEDIA_STATE_REFUSED,
      MediaRefusal.MEDIA_REFUSAL_MISMATCH,
    ]);
    for (const id of [mediaId, mismatch.mediaId]) {
      expect(await media.objects.list(`t1/uploads/${id}/`, '', 10)).toEqual([]);
      expect(await media.objects.list(`t1/media/${id}/`, '', 10)).toEqual([]);
    }
  });

  test('is refused by what was announced: size, hash, type', async () => {
    const refused = (over: object) =>
      expect(
        media.socket.createUpload({
          claims: alice,
          name: 'a',
          mediaType: '',
          sha256: '',
          sizeBytes: 1,
          ...over,
        }),
      ).rejects;
    await refused({ sizeBytes: 0 }).toMatchObject({ reason: 'INVALID_ARGUMENT' });
    await refused({ sizeBytes: 104_857_601 }).toMatchObject({ reason: 'INVALID_ARGUMENT' });
    await refused({ sha256: 'x'.repeat(64) }).toMatchObject({ reason: 'INVALID_ARGUMENT' });
    await refused({ mediaType: 'image/png\r\nx: y' }).toMatchObject({ reason: 'INVALID_ARGUMENT' });
    await refused({ name: '' }).toMatchObject({ reason: 'INVALID_ARGUMENT' });
    await refused({ claims: undefined }).toMatchObject({ reason: 'INVALID_ARGUMENT' });
  });
});

describe('an address', () => {
  test('grants one act on one thing, and nothing once a letter of it is another', async () => {
    const bytes = Buffer.from('x');
    const upload = await created(bytes, 'a.txt');
    const url = upload.parts[0]?.url as string;
    const other = idOf(await created(bytes, 'b.txt'));
    const status = async (to: string, method = 'PUT') =>
      (await fetch(to, { method, ...(method === 'PUT' && { body: bytes }) })).status;
    expect(await status(url.replace(idOf(upload), other))).toBe(403);
    expect(await status(url.replace('/parts/1', '/parts/2'))).toBe(403);
    expect(await status(url.replace('/t1/', '/t2/'))).toBe(403);
    expect(await status(url.replace('/parts/1', '/renditions/original'), 'GET')).toBe(403);
    expect(await status(url.replace(/expires=\d/, 'expires=9'))).toBe(403);
    expect(await status(url.replace(/signature=.*/, ''))).toBe(403);
    expect(await status(url, 'GET')).toBe(405);
    expect(await status(`${media.media.url}/v1/media/../../etc/passwd`, 'GET')).toBe(403);
    const long = await fetch(url, { method: 'PUT', body: 'xx' });
    expect(await long.json()).toMatchObject({ reason: 'INVALID_ARGUMENT', details: { field: 'content-length' } });
    expect(await status(url)).toBe(204);
  });

  test('is refused when its time is over', async () => {
    const upload = await created(Buffer.from('x'), 'a.txt');
    const [part] = upload.parts;
    expect(upload.expiresAtMs - Date.now()).toBeLessThanOrEqual(15 * 60_000);
    const urls = new SignedUrls('hash-key-of-a-test', media.media.url);
    const grant = { act: 'put part', tenantId: 't1', mediaId: idOf(upload), what: '1', sizeBytes: 1 } as const;
    expect(urls.urlOf({ ...grant, expiresAtMs: upload.expiresAtMs })).toBe(part?.url);
    const late = await fetch(urls.urlOf({ ...grant, expiresAtMs: Date.now() }), { method: 'PUT', body: 'x' });
    expect(await late.json()).toMatchObject({ status: 403, detail: 'this address has expired' });
  });

  test('may be used by pages of any origin, which see what they need', async () => {
    const upload = await created(Buffer.from('x'), 'a.txt');
    const asked = await fetch(upload.parts[0]?.url as string, {
      method: 'OPTIONS',
      headers: { origin: 'https://x.test' },
    });
    expect([asked.status, asked.headers.get('access-control-allow-methods')]).toEqual([204, 'GET, HEAD, PUT']);
  });
});

describe('deletion of all a user has', () => {
  test('leaves ids and nothing else, and is told again when repeated', async () => {
    const claims = claimsOf('leaver');
    const done = await uploaded(await aPicture(50, 50).png().toBuffer(), 'me.png', {}, claims);
    const open = await created(Buffer.from('x'), 'open.txt', {}, claims);
    await putParts(open.parts, Buffer.from('x'));
    const user = { tenantId: 't1', userId: 'leaver' };
    expect((await media.compliance.listUserMedia({ ...user, afterMediaId: '' })).media).toHaveLength(2);
    const request = { ...user, afterMediaId: '' };
    const gone = await media.compliance.deleteUserMedia(request);
    expect(gone).toEqual({
      mediaIds: [done.mediaId, idOf(open)].toSorted(),
      objects: 4,
      deleted: [
        { mediaId: done.mediaId, sha256: done.sha256, sizeBytes: done.sizeBytes, objects: 3 },
        { mediaId: idOf(open), sha256: '', sizeBytes: 1, objects: 1 },
      ].toSorted((a, b) => (a.mediaId < b.mediaId ? -1 : 1)),
      more: false,
    });
    const again = { ...gone, objects: 0, deleted: gone.deleted.map((each) => ({ ...each, objects: 0 })) };
    expect(await media.compliance.deleteUserMedia(request)).toEqual(again);
    const after = await media.compliance.deleteUserMedia({ ...user, afterMediaId: gone.mediaIds[0] as string });
    expect(after.mediaIds).toEqual(gone.mediaIds.slice(1));
    expect((await fetch(urlOf(done, 'original'))).status).toBe(404);
    const asked = media.socket.getMedia({ claims, mediaId: done.mediaId, carried: true });
    await expect(asked).rejects.toMatchObject({ reason: 'NOT_FOUND' });
    const { media: left } = await media.compliance.listUserMedia({ ...user, afterMediaId: '' });
    expect(left).toMatchObject([
      { name: '', state: MediaState.MEDIA_STATE_DELETED, renditions: [] },
      { name: '', state: MediaState.MEDIA_STATE_DELETED, renditions: [] },
    ]);
  });

  test('is done by destroying the user’s key, too: the bytes are nobody’s to read', async () => {
    const claims = claimsOf('shredded');
    const done = await uploaded(Buffer.from('secret'), 'secret.txt', {}, claims);
    await media.crypto.compliance.destroyUserKeys({ tenantId: 't1', userId: 'shredded' });
    await until(
      'the key is dropped',
      () => fetch(urlOf(done, 'original')).then(({ status }) => status),
      (status) => status === 404,
    );
    const after = created(Buffer.from('x'), 'more.txt', {}, claims);
    await expect(after).rejects.toMatchObject({ reason: 'USER_DEACTIVATED' });
    const { media: view } = await media.socket.getMedia({ claims, mediaId: done.mediaId, carried: false });
    expect(view?.name).toBe('');
  });
});

test('a tenant holds what it may and no more, another one is not counted, and only pages of named origins are served', async () => {
  const own = await mkdtemp(join(tmpdir(), 'media-quota-'));
  const bounded = await startMedia(own, { maxTenantBytes: 100, allowedOrigins: ['https://app.test'] });
  const begin = (sizeBytes: number, claims = alice) =>
    bounded.socket.createUpload({ claims, name: 'a.txt', mediaType: '', sha256: '', sizeBytes });
  const first = await begin(60);
  const full = { reason: 'LIMIT_EXCEEDED', details: { limit: 'maxTenantBytes', value: '100' } };
  await expect(begin(41, bob)).rejects.toMatchObject(full);
  await begin(100, claimsOf('alice', 't2'));
  const many = await Promise.allSettled([1, 2, 3, 4, 5].map(() => begin(20, bob)));
  expect(many.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
  // What goes makes room at once.
  await bounded.socket.abortUpload({ claims: alice, mediaId: idOf(first) });
  const upload = await begin(60);
  const allowedFor = async (origin: string): Promise<(string | null)[]> => {
    const { headers } = await fetch(upload.parts[0]?.url as string, { method: 'OPTIONS', headers: { origin } });
    return [headers.get('access-control-allow-origin'), headers.get('vary')];
  };
  expect(await allowedFor('https://app.test')).toEqual(['https://app.test', 'origin']);
  expect(await allowedFor('https://evil.test')).toEqual([null, 'origin']);
  await bounded.stop();
  await rm(own, { recursive: true, force: true });
}, 60_000);

test('a crash in the middle of the processing loses nothing: another start ends it', async () => {
  const own = await mkdtemp(join(tmpdir(), 'media-crash-'));
  const first = await startMedia(own);
  const bytes = await aPicture(100, 100).png().toBuffer();
  const upload = await first.socket.createUpload({
    claims: alice,
    name: 'a.png',
    mediaType: '',
    sha256: '',
    sizeBytes: bytes.length,
  });
  await putParts(upload.parts, bytes);
  const mediaId = idOf(upload);
  const [record] = await first.store.getMany('t1', [mediaId]);
  // What a process leaves that was killed in the middle: the state, a lease that has ended, a file in the clear.
  await first.store.replace({
    ...(record as NonNullable<typeof record>),
    state: MediaState.MEDIA_STATE_PROCESSING,
    attempts: 1,
    dueAtMs: 1,
  });
  await first.crash();
  const second = await startMedia(own);
  const { media: done } = await until(
    'committed',
    () => second.socket.getMedia({ claims: alice, mediaId, carried: false }),
    ({ media: now }) => now?.state === MediaState.MEDIA_STATE_COMMITTED,
  );
  expect(done?.renditions).toHaveLength(3);
  await second.stop();
  expect(await readdir(join(own))).not.toContain('work');
  await rm(own, { recursive: true, force: true });
}, 60_000);
