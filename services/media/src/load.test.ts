import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { testServiceAuth } from '@caas/crypto/testing';
import { createGrpcClient } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { MediaServiceService } from '@caas/proto/caas/media/v1/media_service';
import { MediaState, type UploadPart } from '@caas/proto/caas/media/v1/resources';
import { expect, test } from '@jest/globals';
import { claimsOf } from './testing.ts';

const [uploads, megabyte] = [50, 1_000_000];
const sizeBytes = 20 * megabyte;
/** What the service may hold above what it holds when idle, in bytes; all uploads together are 1,000 MB. */
const boundBytes = 250 * megabyte;

const told = async <T>(child: ChildProcess): Promise<T> => (await once(child, 'message'))[0] as T;

test('50 uploads of 20 MB at the same time are bounded in memory, and all are committed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'media-load-'));
  const child = fork(join(import.meta.dirname, 'media-process.ts'), [folder], {
    execArgv: ['-C', '@caas/source', '--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const { address } = await told<{ address: string }>(child);
  const logger = createLogger({ service: 'test', level: 'silent' });
  const client = createGrpcClient(MediaServiceService, {
    address,
    auth: testServiceAuth,
    callerName: 'socket',
    logger,
  });
  const piece = randomBytes(50_000);
  const memory = async (): Promise<number> => {
    child.send('memory');
    return (await told<{ mostBytes: number }>(child)).mostBytes;
  };
  const put = async ({ url, sizeBytes: partBytes, headers }: UploadPart): Promise<void> => {
    const call = request(url, { method: 'PUT', headers: { ...headers, 'content-length': partBytes } });
    const answered = once(call, 'response');
    async function* body() {
      for (let left = partBytes; left > 0; left -= piece.length) yield piece.subarray(0, Math.min(left, piece.length));
    }
    await pipeline(Readable.from(body()), call);
    const [response] = await answered;
    response.resume();
    expect(response.statusCode).toBe(204);
  };
  const upload = async (i: number): Promise<string> => {
    const claims = claimsOf(`user-${i}`);
    const { media, parts } = await client.createUpload({ claims, name: 'b.bin', mediaType: '', sha256: '', sizeBytes });
    for (const part of parts) await put(part);
    return media?.mediaId as string;
  };
  try {
    // One goes before, so that what is loaded at the first use counts as idle.
    const first = await upload(1_000);
    await client.completeUpload({ claims: claimsOf('user-1000'), mediaId: first });
    const idleBytes = await memory();
    const startedAt = performance.now();
    const ids = await Promise.all(Array.from({ length: uploads }, (_, i) => upload(i)));
    const stateOf = async (i: number, mediaId: string): Promise<MediaState | undefined> =>
      (await client.completeUpload({ claims: claimsOf(`user-${i}`), mediaId })).media?.state;
    const deadline = Date.now() + 150_000;
    for (const [i, mediaId] of ids.entries())
      while ((await stateOf(i, mediaId)) !== MediaState.MEDIA_STATE_COMMITTED)
        expect(Date.now()).toBeLessThan(deadline);
    const seconds = (performance.now() - startedAt) / 1_000;
    const grownBytes = (await memory()) - idleBytes;
    const rate = Math.round((uploads * sizeBytes) / megabyte / seconds);
    process.stdout.write(
      `50 uploads of 20 MB: ${seconds.toFixed(1)} s, ${rate} MB/s, idle ${Math.round(idleBytes / megabyte)} MB, at most ${Math.round(grownBytes / megabyte)} MB more\n`,
    );
    expect(grownBytes).toBeLessThan(boundBytes);
  } finally {
    client.close();
    const ended = once(child, 'exit');
    child.send('stop');
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}, 240_000);
