import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { CaasClient } from '@caas/client';
import { DeadLetterHeader, parkMarkTopic, tenantHeader } from '@caas/event-log';
import { until } from '@caas/kit/testing/until';
import { type Engines, platformConfig } from '@caas/platform';
import { HeldContent } from '@caas/proto/caas/compliance/v1/policy_service';
import { JobState } from '@caas/proto/caas/compliance/v1/privacy_service';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type AuditLog, auditLogOf } from './support/audit-log.ts';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { ended, type PrivacyClient, privacyOf } from './support/privacy.ts';
import { type Frame, RawClient } from './support/raw-client.ts';
import { operatorToken } from './support/tenants.ts';

const tenantId = 'dev';
let folder: string;
let platform: TestPlatform;
let privacy: PrivacyClient;
let audit: AuditLog;
let engines: Engines;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'caas-privacy-'));
  const { services } = platformConfig({ CRYPTO_HOLDER_GRACE: '600ms' });
  const limits = { framesPerMinute: 100_000, sendsPerSecond: 10_000, sendsBurst: 10_000 };
  const between = (own: Engines): Engines => {
    engines = own;
    return own;
  };
  platform = await testPlatform({ operatorToken, services, limits, between });
  privacy = privacyOf(platform);
  audit = auditLogOf(platform);
});
afterAll(async () => {
  privacy.close();
  audit.close();
  await platform.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Room {
  conversationId: string;
  users: [TestUser, TestUser];
  clients: [RawClient, RawClient];
  send(by: 0 | 1, text: string, more?: Frame): Promise<string>;
  messages(): Promise<Frame[]>;
}

let rooms = 0;
/** A group of two new users. */
const room = async (): Promise<Room> => {
  const n = ++rooms;
  const users = [await signIn(platform, `one-${n}`), await signIn(platform, `two-${n}`)] as [TestUser, TestUser];
  const [one, two] = platform.socketUrls as [string, string];
  const clients: [RawClient, RawClient] = [
    await RawClient.open(one, users[0].accessToken),
    await RawClient.open(two, users[1].accessToken),
  ];
  const create = { kind: 'CONVERSATION_KIND_GROUP', memberIds: [users[1].userId], clientRef: 'room' };
  const { conversation } = await clients[0].ask({ createConversation: create });
  const { conversationId } = conversation.conversation;
  let sent = 0;
  const history = () => clients[1].ask({ getHistory: { conversationId, limit: 200 } });
  return {
    ...{ conversationId, users, clients },
    async send(by, words, more = {}) {
      const content = { text: words, ...more };
      const { accepted, error } = await clients[by].ask({
        sendMessage: { conversationId, clientMsgId: `m${++sent}`, content },
      });
      expect(error).toBeUndefined();
      await until('committed', history, (answer) => answer.history?.head.lastSeq >= sent);
      return accepted.messageId;
    },
    messages: async () => (await history()).history.messages,
  };
};

const erase = (user: TestUser, requestId = user.userId) =>
  privacy.startErasure({ tenantId, userId: user.userId, requestId, actorId: 'dpo' });
const noHold = { tenantId, userId: '', conversationId: '', reason: 'case 7', putBy: 'lawyer', putAtMs: 0 };

/** Runs `caas privacy …` as an operator of the platform does. */
const caas = async (...args: string[]) => {
  const child = spawn(process.execPath, ['-C', '@caas/source', 'packages/cli/src/main.ts', 'privacy', ...args], {
    env: { ...process.env, CAAS_COMPLIANCE_ADDRESS: platform.complianceAddress, CAAS_OPERATOR_TOKEN: operatorToken },
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code, stdout, stderr };
};

test('an erasure is refused while the user, a conversation of theirs or the tenant is held, and audited so', async () => {
  const { conversationId, users, send, messages } = await room();
  const [user] = users;
  await send(0, 'evidence');
  const holds = [{ userId: user.userId }, { conversationId }, {}].map((held, i) => ({
    ...noHold,
    ...held,
    holdId: `h${i}`,
  }));
  for (const hold of holds) {
    await privacy.putLegalHold({ hold });
    await expect(erase(user)).rejects.toMatchObject({
      reason: 'LEGAL_HOLD',
      details: { hold_id: hold.holdId, held: ['user', 'conversation', 'tenant'][holds.indexOf(hold)] },
    });
    expect((await privacy.listLegalHolds({ tenantId })).holds).toMatchObject([
      { holdId: hold.holdId, reason: 'case 7' },
    ]);
    await privacy.releaseLegalHold({ tenantId, holdId: hold.holdId, actorId: 'lawyer' });
  }
  await expect(privacy.releaseLegalHold({ tenantId, holdId: 'h0', actorId: '' })).rejects.toMatchObject({
    reason: 'NOT_FOUND',
  });
  expect(await messages()).toMatchObject([{ content: { text: 'evidence' } }]);
  const refusals = await until(
    'refusals',
    () => audit.find(tenantId, { action: 'privacy.refused', subjectId: user.userId }),
    (all) => all.length === 3,
  );
  expect(refusals[0]?.event).toMatchObject({ reason: 'LEGAL_HOLD', actorId: 'dpo', details: { asked: 'erasure' } });
  await expect(erase({ ...user, userId: 'nobody' })).rejects.toMatchObject({ reason: 'USER_NOT_FOUND' });
});

test('an erasure whose process dies goes on, and once it destroys neither holds nor cancelling come in time', async () => {
  const { conversationId, users, clients, send, messages } = await room();
  const [user] = users;
  const messageId = await send(0, 'to go');
  await send(1, 'to stay');
  // Without media it waits after the keys are destroyed.
  await platform.services.get('media')?.crash();
  const { job } = await erase(user);
  const named = { tenantId, jobId: job?.jobId ?? '' };
  await until(
    'the step of media',
    () => privacy.getJob(named),
    (now) => now.job?.step === 'media' && now.job.reason === 'UNAVAILABLE',
    30_000,
  );
  await expect(privacy.cancelJob(named)).rejects.toMatchObject({ reason: 'FAILED_PRECONDITION' });
  await expect(privacy.getCertificate(named)).rejects.toMatchObject({ reason: 'FAILED_PRECONDITION' });
  for (const held of [{ userId: user.userId }, { conversationId }, {}])
    await expect(privacy.putLegalHold({ hold: { ...noHold, ...held, holdId: 'late' } })).rejects.toMatchObject({
      reason: 'FAILED_PRECONDITION',
      details: { job_id: named.jobId },
    });
  expect((await privacy.listLegalHolds({ tenantId })).holds).toEqual([]);
  await platform.services.get('compliance')?.crash();
  await platform.services.get('compliance')?.restart();
  await platform.services.get('media')?.restart();
  expect(await ended(privacy, job)).toMatchObject({ state: JobState.JOB_STATE_DONE });
  expect(await messages()).toMatchObject([{ messageId, deletedBy: user.userId }, { content: { text: 'to stay' } }]);
  const again = await ended(privacy, (await erase(user, 'a second time')).job);
  const { certificateJson } = await privacy.getCertificate({ tenantId, jobId: again.jobId });
  expect(JSON.parse(certificateJson).messages.tombstones).toBe(1);
  await clients[1].close();
}, 60_000);

test('an erasure waits for an operator where a conversation of the user is parked, says so, and appends nothing meanwhile', async () => {
  const { conversationId, users, send, messages, clients } = await room();
  const messageId = await send(0, 'before it was parked');
  const mark = (kind: string) =>
    engines.log.append([
      {
        topic: parkMarkTopic,
        key: conversationId,
        value: new Uint8Array(0),
        headers: { [tenantHeader]: tenantId, [DeadLetterHeader.kind]: kind, [DeadLetterHeader.reason]: 'a test' },
      },
    ]);
  await mark('parked');
  const { job } = await erase(users[0]);
  const named = { tenantId, jobId: job?.jobId ?? '' };
  await until(
    'it waits',
    () => privacy.getJob(named),
    (now) => now.job?.step === 'settling' && now.job.reason === 'FAILED_PRECONDITION',
    30_000,
  );
  expect((await messages()).map((m) => [m.messageId, m.deletedAtMs ?? 0])).toEqual([[messageId, 0]]);
  await mark('resumed');
  expect(await ended(privacy, job)).toMatchObject({ state: JobState.JOB_STATE_DONE, reason: '' });
  expect(await messages()).toMatchObject([{ messageId, deletedBy: users[0].userId }]);
  await clients[1].close();
}, 60_000);

test('what waits for a moderator goes with who said it', async () => {
  const { users, conversationId, clients } = await room();
  const held = { kept: HeldContent.encode(HeldContent.fromPartial({ heldId: 'h' })).finish() };
  for (const [i, { userId: senderId }] of users.entries())
    await engines.policies.hold(
      { tenantId, heldId: `${conversationId}-${i}`, senderId, content: held.kept, heldAtMs: 1 },
      9,
    );
  const job = await ended(privacy, (await erase(users[0])).job);
  expect((await engines.policies.held(tenantId, 9)).map(({ senderId }) => senderId)).toEqual([users[1].userId]);
  const { certificateJson } = await privacy.getCertificate({ tenantId, jobId: job.jobId });
  expect(JSON.parse(certificateJson).held_contents_removed).toBe(1);
  for (const client of clients) await client.close();
}, 60_000);

test('retention takes what is past its time, tells first what would go, and leaves what is held', async () => {
  const [kept, swept] = [await room(), await room()];
  await kept.send(0, 'held');
  for (const words of ['old one', 'old two']) await swept.send(0, words);
  await swept.send(1, 'of a held user');
  const rule = (conversationId: string, keepMs: number) =>
    privacy.putRetention({ tenantId, conversationId, keepMs, actorId: 'dpo' });
  const run = async (requestId: string, dryRun: boolean) =>
    ended(privacy, (await privacy.startRetention({ tenantId, dryRun, requestId, actorId: 'dpo' })).job);
  const day = 24 * 60 * 60 * 1_000;
  await rule('', day);
  expect(await run('young', true)).toMatchObject({ wouldGo: 0, heldBack: 0, dryRun: true });
  for (const { conversationId } of [kept, swept]) await rule(conversationId, 1);
  expect((await privacy.listRetention({ tenantId, afterConversationId: '' })).rules).toMatchObject([
    { conversationId: '', keepMs: day },
    { keepMs: 1 },
    { keepMs: 1 },
  ]);
  await privacy.putLegalHold({ hold: { ...noHold, conversationId: kept.conversationId, holdId: 'c' } });
  await privacy.putLegalHold({ hold: { ...noHold, userId: swept.users[1].userId, holdId: 'u' } });
  expect(await run('dry', true)).toMatchObject({ wouldGo: 2, heldBack: 2, state: JobState.JOB_STATE_DONE });
  expect(await swept.messages()).toMatchObject([{ content: { text: 'old one' } }, {}, {}]);
  expect(await run('wet', false)).toMatchObject({ wouldGo: 2, heldBack: 2 });
  const left = await until(
    'tombstones',
    () => swept.messages(),
    ([one, two]) => one.deletedAtMs && two.deletedAtMs,
  );
  expect(left[2]).toMatchObject({ content: { text: 'of a held user' } });
  expect(await kept.messages()).toMatchObject([{ content: { text: 'held' } }]);
  for (const holdId of ['c', 'u']) await privacy.releaseLegalHold({ tenantId, holdId, actorId: '' });
  for (const id of ['', kept.conversationId, swept.conversationId]) await rule(id, 0);
  await expect(privacy.startRetention({ tenantId, dryRun: true, requestId: 'wet', actorId: '' })).rejects.toMatchObject(
    { reason: 'IDEMPOTENCY_CONFLICT' },
  );
});

test('an export has all of a user and nothing said by others, and its folder is verified offline', async () => {
  const { users, clients, send, conversationId } = await room();
  const [user] = users;
  const uploads = new CaasClient({ urls: platform.socketUrls, getToken: async () => user.accessToken });
  await uploads.connect();
  const bytes = new TextEncoder().encode('file of the user\n'.repeat(10_000));
  const { mediaId } = await uploads.upload(bytes, { name: 'user.txt' });
  uploads.close();
  const first = await send(0, 'first words', { attachments: [{ mediaId }] });
  const other = await send(1, 'words of another');
  const edit = { conversationId, messageId: first, content: { text: 'edited words', attachments: [{ mediaId }] } };
  expect((await clients[0].ask({ editMessage: edit })).error).toBeUndefined();
  await clients[0].ask({ setReaction: { conversationId, messageId: other, kind: '🎉', present: true } });
  await clients[1].waitFor((f) => f.event?.messageChanged?.reactions?.length > 0);

  const out = join(folder, 'export');
  const exported = await caas('export', '--tenant', tenantId, '--user', user.userId, '--out', out);
  expect(exported).toMatchObject({ code: 0 });
  const lines = async (kind: string) =>
    (await readFile(join(out, kind, '000001.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  expect(JSON.parse(await readFile(join(out, 'profile.json'), 'utf8'))).toMatchObject({ externalId: user.externalId });
  expect(await lines('messages')).toMatchObject([
    { messageId: first, content: { text: 'edited words' }, edits: [{ content: { text: 'first words' } }] },
  ]);
  expect(await lines('reactions')).toEqual([{ conversationId, messageId: other, kind: '🎉' }]);
  expect(await lines('conversations')).toMatchObject([{ conversationId, role: 'ROLE_OWNER' }]);
  expect(await lines('sessions')).toHaveLength(1);
  expect(await lines('media')).toMatchObject([{ mediaId, name: 'user.txt', path: `media/files/${mediaId}` }]);
  expect((await lines('audit')).length).toBeGreaterThan(0);
  expect(Buffer.compare(await readFile(join(out, 'media/files', mediaId)), bytes)).toBe(0);
  for (const name of await readdir(out, { recursive: true, withFileTypes: true }))
    if (name.isFile())
      expect((await readFile(join(name.parentPath, name.name))).includes('words of another')).toBe(false);

  const key = JSON.parse(await readFile(join(out, 'manifest.sig.json'), 'utf8')).public_key as string;
  expect(await caas('verify', out, '--key', key)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('verified'),
  });
  expect(await caas('verify', out)).toMatchObject({ code: 0, stdout: expect.stringContaining('whole') });
  const stranger = Buffer.alloc(32, 1).toString('base64');
  expect((await caas('verify', out, '--key', stranger)).stdout).toContain('wrong signature');
  await appendFile(join(out, 'messages/000001.jsonl'), '{}\n');
  await rm(join(out, 'reactions/000001.jsonl'));
  await writeFile(join(out, 'more.txt'), '');
  const { code, stdout } = await caas('verify', out, '--key', key);
  expect([code, stdout]).toEqual([1, expect.stringMatching(/altered +messages.*dropped +reactions.*added +more/s)]);
  for (const client of clients) await client.close();
}, 60_000);

test('a file that is lost is told in its line, and the rest of the export is there', async () => {
  const { users, clients, send } = await room();
  const [user] = users;
  const uploads = new CaasClient({ urls: platform.socketUrls, getToken: async () => user.accessToken });
  await uploads.connect();
  const upload = (name: string) => uploads.upload(new TextEncoder().encode(`${name}\n`.repeat(100)), { name });
  const lost = await upload('lost.txt');
  const objects = join(platform.dataDir, 'media');
  for (const entry of await readdir(objects, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await rm(join(entry.parentPath, entry.name));
  const kept = await upload('kept.txt');
  uploads.close();
  await send(0, 'said');
  const out = join(folder, 'with-a-loss');
  expect(await caas('export', '--tenant', tenantId, '--user', user.userId, '--out', out)).toMatchObject({ code: 0 });
  const lines = (await readFile(join(out, 'media/000001.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([
    { mediaId: lost.mediaId, missing: true },
    { mediaId: kept.mediaId, path: `media/files/${kept.mediaId}` },
  ]);
  expect(await caas('verify', out)).toMatchObject({ code: 0 });
  for (const client of clients) await client.close();
}, 60_000);

test('an operator erases, shows jobs and holds on the command line, and a certificate that was changed does not verify', async () => {
  const { users } = await room();
  const [{ userId }] = users;
  const file = join(folder, 'certificate.json');
  const held = ['--tenant', tenantId, '--id', 'cli'];
  expect((await caas('hold', 'put', ...held, '--user', userId, '--reason', 'case 9')).code).toBe(0);
  expect((await caas('hold', 'list', '--tenant', tenantId)).stdout).toMatch(
    /^cli {2}user \S+ {2}by operator .*case 9$/m,
  );
  const erasing = ['erase', '--tenant', tenantId, '--user', userId, '--out', file];
  const refused = await caas(...erasing);
  expect([refused.code, refused.stderr]).toEqual([expect.any(Number), expect.stringContaining('under legal hold')]);
  expect(refused.code).not.toBe(0);
  expect((await caas('hold', 'release', ...held)).code).toBe(0);
  const erased = await caas(...erasing);
  expect(erased.code).toBe(0);
  const key = /^key +(\S+)/m.exec(erased.stdout)?.[1] as string;
  expect(await caas('verify', file, '--key', key)).toMatchObject({ code: 0 });
  expect((await caas('job', '--tenant', tenantId)).stdout).toContain(`user ${userId}`);
  await writeFile(file, (await readFile(file, 'utf8')).replace(userId, 'somebody-else'));
  expect(await caas('verify', file, '--key', key)).toMatchObject({ code: 1 });
  expect((await caas('verify', file)).code).toBe(78);
}, 60_000);
