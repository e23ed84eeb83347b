import { createPublicKey, verify } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaasClient } from '@caas/client';
import { until } from '@caas/kit/testing/until';
import { platformConfig } from '@caas/platform';
import { JobState } from '@caas/proto/caas/compliance/v1/privacy_service';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { auditLogOf } from './support/audit-log.ts';
import { filesWith } from './support/folder-files.ts';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { ended, type PrivacyClient, privacyOf } from './support/privacy.ts';
import { type Frame, RawClient } from './support/raw-client.ts';
import { operatorToken } from './support/tenants.ts';

/** What alice leaves behind: a word of a message, one of an edit, her name, a file's name, a file's text. */
const canaries = ['zqxcanaryone', 'zqxcanarytwo', 'zqxcanaryname', 'zqxcanaryfile', 'zqxcanarybytes'] as const;
const [said, edited, displayName, fileName, fileText] = canaries;

let folder: string;
let platform: TestPlatform;
let privacy: PrivacyClient;
let [alice, bob] = [] as unknown as [TestUser, TestUser];
let [a, b] = [] as unknown as [RawClient, RawClient];
let [group, direct] = ['', ''];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'caas-erasure-'));
  const { services } = platformConfig({ CRYPTO_HOLDER_GRACE: '600ms' });
  const limits = { framesPerMinute: 100_000, sendsPerSecond: 10_000, sendsBurst: 10_000 };
  const options = { dataDir: join(folder, 'data'), operatorToken, services, limits };
  const logDestination = createWriteStream(join(folder, 'services.log'));
  platform = await testPlatform({ ...options, logLevel: 'debug', logDestination });
  privacy = privacyOf(platform);
  [alice, bob] = [await signIn(platform, 'alice'), await signIn(platform, 'bob')];
  const [one, two] = platform.socketUrls as [string, string];
  a = await RawClient.open(one, alice.accessToken);
  b = await RawClient.open(two, bob.accessToken);
  group = await create(a, 'CONVERSATION_KIND_GROUP', bob.userId);
  direct = await create(b, 'CONVERSATION_KIND_DIRECT', alice.userId);
});
afterAll(async () => {
  privacy.close();
  await b.close();
  await platform.stop();
  await rm(folder, { recursive: true, force: true });
});

const create = async (by: RawClient, kind: string, userId: string): Promise<string> => {
  const { conversation } = await by.ask({ createConversation: { kind, memberIds: [userId], clientRef: kind } });
  return conversation.conversation.conversationId;
};
const send = async (by: RawClient, conversationId: string, clientMsgId: string, content: Frame): Promise<string> => {
  const { accepted, error } = await by.ask({ sendMessage: { conversationId, clientMsgId, content } });
  expect(error).toBeUndefined();
  return accepted.messageId;
};
const history = (conversationId: string, count: number): Promise<Frame> =>
  until(
    `${count} messages`,
    () => b.ask({ getHistory: { conversationId } }),
    (answer) => answer.history?.head.lastSeq >= count,
  ).then((answer) => answer.history);
const found = async (word: string): Promise<number> =>
  (await b.ask({ searchMessages: { query: word } })).found.hits?.length ?? 0;
const filesWithCanaries = async (): Promise<Record<string, string[]>> =>
  Object.fromEntries(
    await Promise.all(canaries.map(async (canary) => [canary, await filesWith(folder, canary)] as const)),
  );

test('everything of a user is there before and nowhere after, and what is certified holds offline', async () => {
  // Before: a word said, an edit, a name, a file with a name, a picture, a reaction, and what others say.
  const uploads = new CaasClient({ urls: platform.socketUrls, getToken: async () => alice.accessToken });
  await uploads.connect();
  await a.ask({ updateProfile: { displayName } });
  const text = new TextEncoder().encode(`${fileText}\n`.repeat(2_000));
  const file = await uploads.upload(text, { name: `${fileName}.txt` });
  const noise = { create: { width: 300, height: 200, channels: 3, background: '#000' } } as const;
  const pixels = await sharp({
    ...noise,
    create: { ...noise.create, noise: { type: 'gaussian', mean: 90, sigma: 40 } },
  })
    .png()
    .toBuffer();
  const picture = await uploads.upload(Uint8Array.from(pixels), { name: `${fileName}.png` });
  uploads.close();
  const attachments = [{ mediaId: file.mediaId }, { mediaId: picture.mediaId }];
  const first = await send(a, group, 'one', { text: `${said} of alice`, attachments });
  const other = await send(b, group, 'bobs', { text: 'bob stays' });
  await send(a, direct, 'direct', { text: `${said} in private` });
  await history(group, 2);
  await history(direct, 1);
  expect(
    (await a.ask({ editMessage: { conversationId: group, messageId: first, content: { text: edited, attachments } } }))
      .error,
  ).toBeUndefined();
  expect(
    (await a.ask({ setReaction: { conversationId: group, messageId: other, kind: '👍', present: true } })).error,
  ).toBeUndefined();
  await until(
    'the edit is found',
    () => found(edited),
    (hits) => hits === 1,
  );
  const access = await b.ask({ getMedia: { conversationId: group, mediaId: picture.mediaId, messageId: first } });
  const urls = access.media.media.renditions.map(({ url }: Frame) => url as string);
  const imageBytes = Buffer.from(await (await fetch(urls[0])).arrayBuffer());
  expect(await found(said)).toBe(1);
  const before = await filesWithCanaries();
  // What the index has in the clear, and what accounts have; the rest is sealed, and read by its members.
  expect(before[edited]?.some((path) => path.includes('search.db'))).toBe(true);
  expect(before[displayName]?.some((path) => path.includes('accounts.db'))).toBe(true);

  const started = await privacy.startErasure({
    tenantId: 'dev',
    userId: alice.userId,
    requestId: 'r1',
    actorId: 'dpo',
  });
  const again = await privacy.startErasure({ tenantId: 'dev', userId: alice.userId, requestId: 'r1', actorId: 'dpo' });
  expect(again.job?.jobId).toBe(started.job?.jobId);
  const job = await ended(privacy, started.job);
  expect(job).toMatchObject({ state: JobState.JOB_STATE_DONE, step: 'certificate', startedBy: 'dpo', reason: '' });

  // Nobody comes in as her, others see tombstones and nothing of her.
  await a.waitClosed();
  await expect(signIn(platform, 'alice')).rejects.toThrow('USER_DEACTIVATED');
  expect((await history(group, 2)).messages).toMatchObject([
    { messageId: first, deletedAtMs: expect.anything() },
    { messageId: other, content: { text: 'bob stays' } },
  ]);
  expect((await history(group, 2)).messages[1].reactions ?? []).toEqual([]);
  expect((await history(direct, 1)).messages[0].content).toBeUndefined();
  for (const word of canaries) expect([word, await found(word)]).toEqual([word, 0]);
  for (const url of urls) expect((await fetch(url)).status).toBe(404);
  expect(JSON.stringify(await b.ask({ getUsers: { userIds: [alice.userId] } }))).not.toContain('zqxcanary');
  const { conversation } = await b.ask({ getConversation: { conversationId: group } });
  expect(conversation.conversation.memberCount).toBe(1);

  expect(await filesWithCanaries()).toEqual(Object.fromEntries(canaries.map((canary) => [canary, []])));
  for (let at = 0; at + 64 <= imageBytes.length; at += 16 * 1_024)
    expect(await filesWith(folder, imageBytes.subarray(at, at + 64))).toEqual([]);

  const signed = await privacy.getCertificate({ tenantId: 'dev', jobId: job.jobId });
  const told = JSON.parse(signed.certificateJson);
  expect(told).toMatchObject({
    type: 'caas-erasure-certificate/v1',
    user_id: alice.userId,
    requested_by: 'dpo',
    keys: [{ key_id: expect.any(String), destroyed_at_ms: expect.any(Number) }],
    messages: { tombstones: 2 },
    reactions_taken_back: 1,
    conversations_left: 1,
    media: { files: 2 },
  });
  const x = Buffer.from(signed.publicKey).toString('base64url');
  const key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } });
  expect(verify(null, Buffer.from(signed.certificateJson), key, signed.signature)).toBe(true);
  const audit = auditLogOf(platform);
  const [entry] = await until(
    'the entry',
    () => audit.find('dev', { action: 'privacy.erased' }),
    (all) => all.length > 0,
  );
  audit.close();
  expect(entry?.event).toMatchObject({ subjectId: alice.userId, actorId: 'dpo', details: { job_id: job.jobId } });
}, 60_000);
