import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { createLogger } from '@caas/kit/log';
import { type Media, MediaKind, MediaRefusal, MediaState } from '@caas/proto/caas/media/v1/resources';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { ExaminerPool } from './jobs/examiner-pool.ts';
import { claimsOf, type MediaUnderTest, putParts, startMedia } from './testing.ts';

const folder = await mkdtemp(join(tmpdir(), 'hostile-'));
let media: MediaUnderTest;
beforeAll(async () => {
  media = await startMedia(folder);
});
afterAll(async () => {
  await media.stop();
  await rm(folder, { recursive: true, force: true });
});

const claims = claimsOf('mallory');
const { MEDIA_STATE_COMMITTED: committed, MEDIA_STATE_REFUSED: refused } = MediaState;

const uploaded = async (bytes: Uint8Array, name: string, mediaType = ''): Promise<Media> => {
  const upload = await media.socket.createUpload({ claims, name, mediaType, sha256: '', sizeBytes: bytes.length });
  await putParts(upload.parts, bytes);
  const mediaId = upload.media?.mediaId as string;
  await media.socket.completeUpload({ claims, mediaId });
  const deadline = Date.now() + 90_000;
  for (;;) {
    const { media: now } = await media.socket.getMedia({ claims, mediaId, carried: false });
    if (now && now.state !== MediaState.MEDIA_STATE_PROCESSING) return now;
    if (Date.now() > deadline) throw new Error('not processed within 90 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const outcome = ({ state, refusal }: Media) => ({ state, refusal });
const isRefused = (why: MediaRefusal) => ({ state: refused, refusal: why });
const notAllowed = isRefused(MediaRefusal.MEDIA_REFUSAL_TYPE_NOT_ALLOWED);
const damaged = isRefused(MediaRefusal.MEDIA_REFUSAL_DAMAGED);

const download = async (of: Media, name = 'original'): Promise<{ bytes: Buffer; headers: Headers }> => {
  const response = await fetch(of.renditions.find((each) => each.name === name)?.url as string);
  return { bytes: Buffer.from(await response.arrayBuffer()), headers: response.headers };
};
/** It can only ever be saved: no browser shows, runs or guesses at it. */
const expectSavedOnly = (headers: Headers): void => {
  expect(headers.get('content-type')).toBe('application/octet-stream');
  expect(headers.get('content-disposition')).toMatch(/^attachment;/);
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*sandbox|sandbox.*default-src 'none'/);
};

const aPicture = () => sharp({ create: { width: 400, height: 300, channels: 3, background: '#777' } });

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
};
/** A PNG of one bit a pixel, all black: its size in memory is what its head says, its size on the wire is next to nothing. */
const bomb = (side: number): Buffer => {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head[8] = 1;
  const rows = deflateSync(Buffer.alloc((Math.ceil(side / 8) + 1) * side), { level: 9 });
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
};

describe('hostile media:', () => {
  test('a decompression bomb is refused by what its head says, and one within the bound is bounded', async () => {
    const bytes = bomb(30_000);
    expect(bytes.length).toBeLessThan(200_000);
    const startedAt = performance.now();
    expect(outcome(await uploaded(bytes, 'bomb.png'))).toEqual(isRefused(MediaRefusal.MEDIA_REFUSAL_TOO_LARGE));
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    expect(outcome(await uploaded(bomb(7_000), 'large.png'))).toMatchObject({ state: committed });
  }, 120_000);

  test('frames of an animation count together', async () => {
    const [width, height, pages] = [1_000, 1_000, 60];
    const raw = Buffer.alloc(width * height * pages * 3);
    for (let page = 0; page < pages; page += 1)
      raw.fill((page % 2) * 255, page * width * height * 3, (page + 1) * width * height * 3);
    const many = await sharp(raw, { raw: { width, height: height * pages, channels: 3, pageHeight: height } })
      .gif({ effort: 1, colours: 16 })
      .toBuffer();
    expect((await sharp(many, { animated: true }).metadata()).pages).toBe(pages);
    expect(outcome(await uploaded(many, 'long.gif'))).toEqual(isRefused(MediaRefusal.MEDIA_REFUSAL_TOO_LARGE));
    const few = await sharp(many, { animated: true, pages: 12, limitInputPixels: false }).gif({ effort: 1 }).toBuffer();
    const done = await uploaded(few, 'short.gif');
    expect(done).toMatchObject({ state: committed, kind: MediaKind.MEDIA_KIND_IMAGE });
    const { bytes } = await download(done, 'thumbnail');
    expect(await sharp(bytes, { animated: true }).metadata()).toMatchObject({
      pages: 12,
      pageHeight: 320,
      format: 'webp',
    });
  }, 120_000);

  test('a polyglot loses all that is no picture', async () => {
    const script = '<script>alert(document.domain)</script>';
    const picture = await aPicture()
      .jpeg()
      .withExif({ IFD0: { Copyright: script } })
      .toBuffer();
    const zip = Buffer.from(`PK\u0003\u0004${script}${'\0'.repeat(40)}PK\u0005\u0006`, 'latin1');
    const polyglot = Buffer.concat([picture, Buffer.from(script), zip]);
    const done = await uploaded(polyglot, 'picture.jpg', 'image/jpeg');
    expect(outcome(done)).toMatchObject({ state: committed });
    for (const { name } of done.renditions) {
      const { bytes } = await download(done, name);
      for (const trace of ['script', 'PK\u0003\u0004']) expect([name, bytes.includes(trace)]).toEqual([name, false]);
    }
    // As a picture it may come; as a page it may not.
    for (const name of ['page.html', 'archive.zip'])
      expect(outcome(await uploaded(polyglot, name))).toEqual(notAllowed);
  });

  test('SVG with a script is no picture; as the text it is it can only be saved', async () => {
    const svg = Buffer.from(
      `<svg xmlns="http://www.w3.org/2000/svg"><script>fetch('//evil.test')</script><image href="file:///etc/hostname"/></svg>`,
    );
    for (const [name, type] of [
      ['a.svg', 'image/svg+xml'],
      ['a.png', 'image/png'],
      ['a.svg', ''],
    ] as const)
      expect([name, outcome(await uploaded(svg, name, type))]).toEqual([name, notAllowed]);
    const xml = Buffer.concat([Buffer.from('<?xml version="1.0"?>'), svg]);
    expect(outcome(await uploaded(xml, 'a.svg', 'image/svg+xml'))).toEqual(notAllowed);
    const saved = await uploaded(svg, 'a.txt', 'text/plain');
    expect(saved).toMatchObject({ state: committed, kind: MediaKind.MEDIA_KIND_FILE });
    expectSavedOnly((await download(saved)).headers);
    const page = await uploaded(Buffer.from('<!doctype html><script>alert(1)</script>'), 'page.html', 'text/html');
    expectSavedOnly((await download(page)).headers);
  });

  test('nothing at all is refused before anything is put', async () => {
    await expect(
      media.socket.createUpload({ claims, name: 'empty.png', mediaType: '', sha256: '', sizeBytes: 0 }),
    ).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
  });

  test('a truncated video is opened by nobody, and can only be saved', async () => {
    const box = Buffer.from('\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\x27\x10mdat', 'latin1');
    const done = await uploaded(Buffer.concat([box, Buffer.alloc(5_000, 7)]), 'cut.mp4', 'video/mp4');
    expect(done).toMatchObject({ state: committed, kind: MediaKind.MEDIA_KIND_VIDEO, mediaType: 'video/mp4' });
    expect(done.capabilitiesMissing).toEqual(['scan', 'video']);
    expectSavedOnly((await download(done)).headers);
  });

  test('what is not what its name or its client says is refused, and so are programs, whatever they are called', async () => {
    const [png, jpeg] = [await aPicture().png().toBuffer(), await aPicture().jpeg().toBuffer()];
    for (const [bytes, name, type] of [
      [png, 'a.mp4', ''],
      [png, 'a.pdf', 'application/pdf'],
      [png, 'a.exe', ''],
      [Buffer.from('only text'), 'a.png', ''],
      [Buffer.from('only text'), 'a', 'video/mp4'],
      [Buffer.from(`MZ${'\0'.repeat(100)}`), 'a.txt', 'text/plain'],
      [Buffer.from(`\x7fELF\x02\x01\x01${'\0'.repeat(100)}`, 'latin1'), 'a', ''],
      [Buffer.from(`BM${'\0'.repeat(200)}`), 'a.bmp', 'image/bmp'],
    ] as const)
      expect([name, outcome(await uploaded(bytes, name, type))]).toEqual([name, notAllowed]);
    // Another picture than it says is a picture: it gets its own type and name.
    const other = await uploaded(jpeg, 'photo.png', 'image/png');
    expect(other).toMatchObject({ state: committed, mediaType: 'image/jpeg' });
    const { headers } = await download(other);
    expect(headers.get('content-disposition')).toBe("inline; filename*=UTF-8''photo.jpg");
  });

  test('a playlist that names local files or URLs is no video, and nobody follows it', async () => {
    for (const text of [
      '#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n',
      '#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/secret.ts\n',
      "ffconcat version 1.0\nfile '../../secret.ts'\n",
    ]) {
      expect(outcome(await uploaded(Buffer.from(text), 'movie.mp4', 'video/mp4'))).toEqual(notAllowed);
      const saved = await uploaded(Buffer.from(text), 'list.m3u8');
      expect(saved.kind).toBe(MediaKind.MEDIA_KIND_FILE);
      expectSavedOnly((await download(saved)).headers);
    }
  });

  test('a picture keeps no place, no camera and no name of whoever took it, and stands upright', async () => {
    const bytes = await aPicture()
      .jpeg()
      .withExif({
        IFD0: { Make: 'canary-camera', Artist: 'canary-artist' },
        IFD3: {
          GPSLatitudeRef: 'N',
          GPSLatitude: '52/1 30/1 0/1',
          GPSLongitudeRef: 'E',
          GPSLongitude: '13/1 24/1 0/1',
        },
      })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const done = await uploaded(bytes, 'where.jpg');
    expect(done.renditions[0]).toMatchObject({ width: 300, height: 400 });
    for (const { name } of done.renditions) {
      const made = (await download(done, name)).bytes;
      const { exif, xmp, iptc, icc, orientation } = await sharp(made).metadata();
      expect([name, exif, xmp, iptc, icc, orientation ?? 1]).toEqual([
        name,
        undefined,
        undefined,
        undefined,
        undefined,
        1,
      ]);
      expect(made.includes('canary')).toBe(false);
    }
    expect(done.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  test('a name with ../, NUL, line breaks or marks that turn it leads nowhere and breaks out of nothing', async () => {
    const names = {
      '../../../etc/passwd': 'passwd',
      '..\\..\\boot.ini': 'boot.ini',
      'a\0.txt': 'a.txt',
      'a\r\nset-cookie: x=1.txt': 'aset-cookie x=1.txt',
      'invoice\u202ecod.exe': 'invoicecod.exe',
      '....': 'file',
      '.htaccess': 'htaccess',
      'a"; filename="b.html': 'a; filename=b.html',
      [`${'x'.repeat(245)}.txt`]: `${'x'.repeat(196)}.txt`,
      '會議 📷.txt': '會議 📷.txt',
    };
    for (const [given, harmless] of Object.entries(names)) {
      const done = await uploaded(Buffer.from('x'), given);
      expect([given, done.name]).toEqual([given, harmless]);
      const disposition = (await download(done)).headers.get('content-disposition') as string;
      expect(disposition).toMatch(/^attachment; filename\*=UTF-8''[\w%.~-]+$/);
      expect(decodeURIComponent(disposition.split("''")[1] ?? '')).toBe(harmless);
    }
  });

  test('a picture that is cut off or only begins like one is damaged', async () => {
    const jpeg = await sharp({ create: { width: 900, height: 900, channels: 3, background: '#123' } })
      .jpeg()
      .toBuffer();
    expect(outcome(await uploaded(jpeg.subarray(0, jpeg.length / 2), 'cut.jpg'))).toEqual(damaged);
    expect(outcome(await uploaded(Buffer.from(`GIF89a${'x'.repeat(300)}`), 'fake.gif'))).toEqual(damaged);
    expect(outcome(await uploaded(bomb(64).subarray(0, 45), 'cut.png'))).toEqual(damaged);
  });
});

describe('a process that examines', () => {
  const logger = createLogger({ service: 'test', level: 'silent' });
  const fits = { maxPixels: 50_000_000, maxResidentBytes: 1_000_000_000 };
  const poolWith = (over: { maxExamineMs?: number; maxResidentBytes?: number }) =>
    new ExaminerPool({
      maxExamineMs: over.maxExamineMs ?? 30_000,
      idleMs: 30_000,
      bounds: { ...fits, ...over },
      logger,
    });
  const claim = { mediaType: '', extension: 'png' };
  const aTask = async () => {
    const file = join(await mkdtemp(join(folder, 'task-')), 'upload');
    await writeFile(file, await aPicture().png().toBuffer());
    return { file, folder: join(file, '..'), claim };
  };

  test('that takes too long, or more memory than it may, is ended, and its file refused; the next file gets another', async () => {
    for (const over of [{ maxExamineMs: 1 }, { maxResidentBytes: 1_000_000 }]) {
      const pool = poolWith(over);
      for (let i = 0; i < 2; i += 1)
        expect(await pool.examine(await aTask())).toEqual({ outcome: 'refused', why: 'failed' });
      expect(pool.size).toBe(0);
      await pool.close();
    }
  }, 60_000);

  test('serves many files, and is gone when the pool is closed', async () => {
    const pool = poolWith({});
    for (let i = 0; i < 3; i += 1)
      expect(await pool.examine(await aTask())).toMatchObject({
        outcome: 'fit',
        kind: 'image',
        mediaType: 'image/png',
      });
    expect(pool.size).toBe(1);
    await pool.close();
    expect(pool.size).toBe(0);
  }, 60_000);
});
