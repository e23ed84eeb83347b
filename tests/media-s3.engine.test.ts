import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Engines, type Services, startEngines, startServices } from '@caas/infra';
import { until } from '@caas/kit/testing/until';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { signIn } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';
import { expectRefusal } from './support/refusal.ts';

let dataDir: string;
let engines: Engines;
let services: Services;
let app: { appId: string; appSecret: string };

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'caas-media-s3-'));
  const only = ['kafka', 'redis', 'mongodb', 's3'] as const;
  engines = await startEngines({ only, dataDir: join(dataDir, 'engines'), ports: 'free' });
  services = await startServices({
    envOf: (service) => engines.envOf(service as 'media'),
    dataDir,
    settings: { socket: { SOCKET_FRAMES_PER_MINUTE: '100000' } },
  });
  app = await services.createApp('acme');
}, 180_000);
afterAll(async () => {
  await services?.stop();
  await engines?.stop();
  await rm(dataDir, { recursive: true, force: true });
}, 60_000);

const enter = async (name: string, node: number): Promise<RawClient & { userId: string }> => {
  const user = await signIn({ gatewayUrl: services.gatewayUrl, app }, name);
  return Object.assign(await RawClient.open(services.socketUrls[node] as string, user.accessToken), {
    userId: user.userId,
  });
};

test('bytes are in a bucket; a killed or silent S3 costs media alone, and parts that arrived stay', async () => {
  const [alice, bob] = [await enter('alice', 0), await enter('bob', 1)];
  const created = await alice.ask({
    createConversation: { kind: 'CONVERSATION_KIND_GROUP', clientRef: 'g', memberIds: [bob.userId] },
  });
  const { conversationId } = created.conversation.conversation;
  let n = 0;
  const say = async (content: Frame): Promise<string> => {
    const sendMessage = { conversationId, clientMsgId: `m${++n}`, content };
    const { messageId } = (await alice.ask({ sendMessage })).accepted;
    await bob.waitFor((f) => f.event?.message?.messageId === messageId);
    return messageId;
  };
  const bytes = randomBytes(9_000_000);
  const put = async ({ url, headers }: Frame, from: number, to: number): Promise<Response> => {
    const response = await fetch(url, { method: 'PUT', headers, body: Uint8Array.from(bytes.subarray(from, to)) });
    await response.arrayBuffer();
    return response;
  };
  const upload = (await alice.ask({ createUpload: { name: 'a.bin', sizeBytes: bytes.length } })).upload;
  const { mediaId } = upload.media;
  const [one, two] = upload.parts as [Frame, Frame];
  expect((await put(one, 0, 8_388_608)).status).toBe(204);

  const s3 = engines.process('s3');
  await s3.kill();
  const away = await put(two, 8_388_608, bytes.length);
  expect([away.status, Number(away.headers.get('retry-after')) > 0]).toEqual([503, true]);
  expectRefusal((await alice.ask({ getUpload: { mediaId } })).error, 'UNAVAILABLE');
  expectRefusal((await alice.ask({ completeUpload: { mediaId } })).error, 'UNAVAILABLE');
  await say({ text: 'said without S3' });
  await s3.start();

  // It is there and says nothing.
  s3.pause();
  const atMs = Date.now();
  expectRefusal((await alice.ask({ getUpload: { mediaId } }, 10_000)).error, 'UNAVAILABLE');
  expect(Date.now() - atMs).toBeLessThan(6_000);
  await say({ text: 'said while S3 was silent' });
  s3.resume();

  const again = (await alice.ask({ getUpload: { mediaId } })).upload;
  expect(again.parts.map(({ arrived = false }: Frame) => arrived)).toEqual([true, false]);
  expect((await put(again.parts[1], 8_388_608, bytes.length)).status).toBe(204);
  expect((await alice.ask({ completeUpload: { mediaId } })).error).toBeUndefined();
  await until(
    'committed',
    () => alice.ask({ getMedia: { mediaId } }),
    ({ media }) => media?.media.state === 'MEDIA_STATE_COMMITTED',
    30_000,
  );
  const messageId = await say({ text: 'with a file', attachments: [{ mediaId }] });
  const access = await until(
    'the address',
    () => bob.ask({ getMedia: { mediaId, conversationId, messageId } }),
    ({ media }) => media !== undefined,
    30_000,
  );
  const url = access.media.media.renditions[0].url as string;
  const whole = Buffer.from(await (await fetch(url)).arrayBuffer());
  expect(whole.equals(bytes)).toBe(true);
  await s3.kill();
  expect((await fetch(url)).status).toBe(503);
  await s3.start();
  expect((await fetch(url, { headers: { range: 'bytes=1-4' } })).status).toBe(206);
  await Promise.all([alice, bob].map((client) => client.close()));
}, 180_000);
