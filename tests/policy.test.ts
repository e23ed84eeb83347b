import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Topic } from '@caas/event-log';
import { createGrpcClient, type GrpcClient, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { until } from '@caas/kit/testing/until';
import { type Engines, platformConfig } from '@caas/platform';
import {
  ContentPolicy,
  PolicyAction,
  type PolicyRule,
  PolicyServiceService,
} from '@caas/proto/caas/compliance/v1/policy_service';
import { MessageRejected } from '@caas/proto/caas/events/v1/message_events';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type AuditLog, auditLogOf } from './support/audit-log.ts';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { type Frame, RawClient } from './support/raw-client.ts';
import { expectRefusal } from './support/refusal.ts';
import { anotherTenant, operatorToken } from './support/tenants.ts';

const generous = { framesPerMinute: 100_000, sendsPerSecond: 10_000, sendsBurst: 10_000 };
let platform: TestPlatform;
let engines: Engines;
let audit: AuditLog;
let policies: GrpcClient<typeof PolicyServiceService>;
const opened: RawClient[] = [];

beforeAll(async () => {
  platform = await testPlatform({
    operatorToken,
    limits: generous,
    services: platformConfig({ SOCKET_POLICY_HOLD: '2000' }).services,
    between: (own) => {
      engines = own;
      return own;
    },
  });
  audit = auditLogOf(platform);
  policies = createGrpcClient(PolicyServiceService, {
    address: platform.complianceAddress,
    auth: sharedTokenAuth({ token: 'not-the-services-token', operatorToken }),
    callerName: 'operator',
    logger: createLogger({ service: 'test', level: 'silent' }),
  });
}, 60_000);
afterAll(async () => {
  for (const client of opened) await client.close();
  policies.close();
  audit.close();
  await platform.stop();
}, 60_000);

const aRule = (ruleId: string, word: string, action: PolicyAction, over: Partial<PolicyRule> = {}): PolicyRule => ({
  ruleId,
  match: { $case: 'words', value: { words: [word] } },
  action,
  publicReason: `not ${word} here`,
  remoteReview: false,
  ...over,
});
const rules = [
  aRule('no-badgers', 'badger', PolicyAction.POLICY_ACTION_REJECT),
  aRule('no-foxes', 'fox', PolicyAction.POLICY_ACTION_MASK),
  aRule('slow-hares', 'hare', PolicyAction.POLICY_ACTION_HOLD),
  aRule('odd-owls', 'owl', PolicyAction.POLICY_ACTION_FLAG),
  aRule('far-wolves', 'wolf', PolicyAction.POLICY_ACTION_REJECT, { remoteReview: true }),
];

const put = async (tenantId: string, over: Partial<ContentPolicy> = {}): Promise<void> => {
  const { policy } = await policies.getPolicy({ tenantId, version: 0 });
  await policies.putPolicy({ policy: ContentPolicy.fromPartial({ ...policy, rules, ...over }) });
};

/** A tenant of its own, with alice connected to the first node, bob to the second, and a group of both. */
const aTenant = async (tenantId: string, policy?: Partial<ContentPolicy>) => {
  const tenant = await anotherTenant(platform, tenantId);
  if (policy) await put(tenantId, policy);
  const [alice, bob] = (await Promise.all([signIn(tenant, 'alice'), signIn(tenant, 'bob')])) as [TestUser, TestUser];
  const [a, b] = (await Promise.all(
    [alice, bob].map((user, i) => RawClient.open(platform.socketUrls[i] as string, user.accessToken)),
  )) as [RawClient, RawClient];
  opened.push(a, b);
  const group = { kind: 'CONVERSATION_KIND_GROUP', title: 'room', clientRef: 'room', memberIds: [bob.userId] };
  const { conversation } = await a.ask({ createConversation: group }, 20_000);
  const conversationId = conversation.conversation.conversationId as string;
  let sends = 0;
  const say = (text: string, clientMsgId = `m${++sends}`, over: Frame = {}, by = a): Promise<Frame> =>
    by.ask({ sendMessage: { conversationId, clientMsgId, content: { text }, ...over } }, 20_000);
  const texts = async (): Promise<string[]> => {
    const { history } = await b.ask({ getHistory: { conversationId, limit: 100 } }, 20_000);
    return (history?.messages ?? []).map(({ content }: Frame) => content?.text);
  };
  return { tenantId, tenant, alice, bob, a, b, conversationId, say, texts };
};
const entryOf = (tenantId: string, action: string) =>
  until(
    action,
    async () => (await audit.find(tenantId, { action }))[0]?.event,
    (event) => event,
    30_000,
  );

test('what a rule rejects reaches nobody; its sender is told why, and the topic and the audit log have it', async () => {
  const { tenantId, a, say, texts, alice, conversationId } = await aTenant('rejecting', {});
  const { error } = await say('Badgers? A BADGER!');
  expectRefusal(error, 'CONTENT_REJECTED', {
    rule_id: 'no-badgers',
    public_reason: 'not badger here',
    policy_version: '1',
  });
  expect((await say('hello')).accepted).toBeDefined();
  expect(await until('history', texts, (all) => all.length > 0)).toEqual(['hello']);
  const event = await entryOf(tenantId, 'policy.rejected');
  expect(event).toMatchObject({
    actorId: alice.userId,
    conversationId,
    reason: 'CONTENT_REJECTED',
    traceId: error.traceId,
    details: { policy_version: '1', rule_ids: 'no-badgers' },
  });
  const seen: MessageRejected[] = [];
  const tail = engines.log.subscribe(
    { group: 'test-rejected', topics: [Topic.messageRejected], shards: 3, maxBatchRecords: 100, from: 'earliest' },
    {
      assigned: async () => undefined,
      revoked: async () => undefined,
      batch: async (_, records) => void seen.push(...records.map(({ value }) => MessageRejected.decode(value))),
    },
  );
  const [rejected] = await until(
    'record',
    () => seen.filter((each) => each.tenantId === tenantId),
    (all) => all.length > 0,
  );
  await tail.close();
  expect(rejected).toMatchObject({
    conversationId,
    clientMsgId: 'm1',
    senderId: alice.userId,
    position: 0,
    ruleId: 'no-badgers',
  });
  // Nothing was taken back, because nothing had been accepted.
  expect(a.events('rejected')).toEqual([]);
  expect(JSON.stringify(await audit.find(tenantId))).not.toContain('BADGER');
}, 60_000);

test('a mask is what everybody reads, the retry of what was sent is the same message, and a flag is told', async () => {
  const { tenantId, b, say, texts } = await aTenant('masking', {});
  const first = await say('the quick fox', 'once');
  expect(first.accepted).toBeDefined();
  const again = await say('the quick fox', 'once', { retry: true });
  expect(again.accepted.messageId).toBe(first.accepted.messageId);
  expectRefusal((await say('the quick ***', 'once')).error, 'IDEMPOTENCY_CONFLICT', { field: 'client_msg_id' });
  await say('an owl');
  expect(await until('history', texts, (all) => all.length === 2)).toEqual(
    expect.arrayContaining(['the quick ***', 'an owl']),
  );
  expect(b.events('message').map(({ message }) => message?.content?.text ?? '')).not.toContain('the quick fox');
  expect(await entryOf(tenantId, 'policy.masked')).toMatchObject({
    subjectId: first.accepted.messageId,
    details: { rule_ids: 'no-foxes' },
  });
  expect(await entryOf(tenantId, 'policy.flagged')).toMatchObject({ details: { rule_ids: 'odd-owls' } });
}, 60_000);

test('edits and forwards are judged as sends are, and a new version holds for what comes after it', async () => {
  const { tenantId, a, say, texts, conversationId } = await aTenant('editing');
  const { accepted } = await say('a badger and a fox');
  await until('history', texts, (all) => all.length === 1);
  await put(tenantId);
  await until(
    'the policy',
    () => say('badger'),
    ({ error }) => error?.reason === 'ERROR_REASON_CONTENT_REJECTED',
    30_000,
  );
  const edit = (text: string) =>
    a.ask({ editMessage: { conversationId, messageId: accepted.messageId, content: { text } } }, 20_000);
  expectRefusal((await edit('two badger')).error, 'CONTENT_REJECTED', { rule_id: 'no-badgers' });
  const forward = {
    fromConversationId: conversationId,
    toConversationId: conversationId,
    messageId: accepted.messageId,
  };
  expectRefusal(
    (await a.ask({ forwardMessage: { ...forward, clientMsgId: 'f1' } }, 20_000)).error,
    'CONTENT_REJECTED',
    { rule_id: 'no-badgers' },
  );
  expect((await edit('only a fox')).accepted).toBeDefined();
  await until('edited', texts, (all) => all.includes('only a ***'));
}, 60_000);

test('order holds among what waits for a review and what does not', async () => {
  const { a, say, texts } = await aTenant('reviewing', {});
  const sent = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      say(i % 5 === 2 ? `wolf ${i}` : i % 2 === 0 ? `owl ${i}` : `hen ${i}`, `r${i}`),
    ),
  );
  for (const [i, { error }] of sent.entries())
    expect(error?.reason).toBe(i % 5 === 2 ? 'ERROR_REASON_CONTENT_REJECTED' : undefined);
  const positions = sent.flatMap(({ accepted }) => (accepted ? [Number(accepted.position)] : []));
  expect(positions).toEqual(positions.toSorted((x, y) => x - y));
  await until('history', texts, (all) => all.length === 16);
  expect(a.closed).toBeUndefined();
}, 60_000);

test('what is held reaches nobody, its sender is told so, and it waits for a moderator, sealed', async () => {
  const { tenantId, a, b, say, texts, conversationId } = await aTenant('holding', {});
  const { accepted } = await say('good day');
  await until('history', texts, (all) => all.length === 1);
  const held = { rule_id: 'slow-hares', public_reason: 'not hare here', policy_version: '1' };
  const refusal = (await say('a hare and a fox', 'h1')).error;
  expectRefusal(refusal, 'CONTENT_HELD', held);
  // The same again is the same, and so is a retry of who did not see the answer.
  expectRefusal((await say('a hare and a fox', 'h1')).error, 'CONTENT_HELD', held);
  expectRefusal((await say('a hare and a fox', 'h1', { retry: true })).error, 'CONTENT_HELD', held);
  const edit = { conversationId, messageId: accepted.messageId, content: { text: 'two hares, one hare' } };
  expectRefusal((await a.ask({ editMessage: edit }, 20_000)).error, 'CONTENT_HELD', held);
  expect((await say('after it')).accepted).toBeDefined();
  await until('history', texts, (all) => all.length === 2);
  expect(await texts()).toEqual(['good day', 'after it']);
  expect(b.frames.filter((frame) => JSON.stringify(frame).includes('hare'))).toEqual([]);

  const { contents } = await policies.listHeldContents({ tenantId, limit: 0, cursor: '' });
  expect(contents.map(({ event }) => event?.$case)).toEqual(['sent', 'edited']);
  const [sent] = contents;
  expect(sent).toMatchObject({ policyVersion: 1, ruleIds: ['slow-hares'], traceId: refusal.traceId });
  expect(sent?.event?.value).toMatchObject({ tenantId, conversationId, clientMsgId: 'h1' });
  expect(sent?.event?.value.content?.body?.$case).toBe('sealed');
  expect(await entryOf(tenantId, 'policy.held')).toMatchObject({
    reason: 'CONTENT_HELD',
    details: { rule_ids: 'slow-hares', policy_version: '1' },
  });
}, 60_000);

test('caas policy puts a file, prints what is in force, and says offline what a policy does to a text', async () => {
  const caas = async (...args: string[]) => {
    const child = spawn(process.execPath, ['-C', '@caas/source', 'packages/cli/src/main.ts', 'policy', ...args], {
      env: { ...process.env, CAAS_COMPLIANCE_ADDRESS: platform.complianceAddress, CAAS_OPERATOR_TOKEN: operatorToken },
    });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code, stdout, stderr };
  };
  const folder = await mkdtemp(join(tmpdir(), 'policy-'));
  const file = join(folder, 'policy.json');
  const write = (json: object) => writeFile(file, JSON.stringify(json));
  const [reject, mask, hold] = rules;
  await write(
    ContentPolicy.toJSON(ContentPolicy.fromPartial({ rules: [reject, mask, hold] as PolicyRule[] })) as object,
  );
  const checked = await caas('check', file, 'a badger', 'a fox', 'a hen');
  expect(checked).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^can be applied\n.*reject.*\n.*a \*{3}.*\n.*allow.*\n$/),
  });
  expect(await caas('put', '--tenant', 'cli', file)).toMatchObject({ code: 0, stdout: 'version 1\n' });
  // It was made of version 0, which is not the current one any more.
  expect(await caas('put', '--tenant', 'cli', file)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching('version is 1'),
  });
  const { stdout: current } = await caas('get', '--tenant', 'cli');
  expect(JSON.parse(current)).toMatchObject({ tenantId: 'cli', version: 1, putBy: 'operator' });
  await writeFile(file, current);
  expect(await caas('put', '--tenant', 'cli', file)).toMatchObject({ code: 0, stdout: 'version 2\n' });
  expect(await caas('put', '--tenant', 'other', file)).toMatchObject({
    code: 78,
    stderr: expect.stringMatching('cli'),
  });
  await write({ rules: [{ ruleId: 'a', action: 'POLICY_ACTION_MASK', words: { words: ['x'] }, remotereview: true }] });
  expect(await caas('check', file)).toMatchObject({ code: 78, stderr: expect.stringMatching('remotereview') });
  await write({ rules: [{ ruleId: 'a', action: 'POLICY_ACTION_MASK', patterns: { patterns: ['(a'] } }] });
  expect(await caas('check', file)).toMatchObject({ code: 1, stdout: expect.stringMatching('policy.rules\\[0\\]') });
  await rm(folder, { recursive: true });
}, 60_000);

test('while compliance is dead chat goes on by the policies as they are kept, and after it is back all is as before', async () => {
  const closed = await aTenant('closed', { openWithoutVerdict: false });
  const open = await aTenant('open', { openWithoutVerdict: true });
  const free = await aTenant('free');
  for (const { say } of [closed, open, free]) expect((await say('hello')).accepted).toBeDefined();
  const compliance = platform.services.get('compliance');
  await compliance?.crash();
  await until('the nodes notice', degraded, (names) => names.includes('compliance'), 30_000);
  // A node that starts meanwhile knows of nobody, and so asks the store.
  const node = platform.services.get('socket-1');
  await node?.crash();
  await node?.restart();
  for (const { alice, tenantId, conversationId } of [closed, open, free]) {
    const client = await RawClient.open(platform.socketUrls[0] as string, alice.accessToken);
    opened.push(client);
    const say = (text: string) =>
      client.ask(
        { sendMessage: { conversationId, clientMsgId: `away-${text.replaceAll(' ', '-')}`, content: { text } } },
        20_000,
      );
    expect({ tenantId, answer: await say('good morning') }).toMatchObject({ answer: { accepted: {} } });
    const { error } = await say('a badger');
    if (tenantId === 'free') expect(error).toBeUndefined();
    else expectRefusal(error, 'CONTENT_REJECTED', { rule_id: 'no-badgers' });
    // What needs compliance itself is refused for now, or goes its way unjudged where the tenant wants that; what is to be
    // held is never said.
    const wolf = await say('a wolf');
    if (tenantId === 'closed') expectRefusal(wolf.error, 'POLICY_UNAVAILABLE');
    else expect(wolf.accepted).toBeDefined();
    const hare = await say('a hare');
    if (tenantId === 'free') expect(hare.accepted).toBeDefined();
    else expectRefusal(hare.error, 'POLICY_UNAVAILABLE');
  }
  await compliance?.restart();
  await until('the nodes are back', degraded, (names) => !names.includes('compliance'), 30_000);
  await until(
    'reviews are back',
    () => closed.say('a wolf', 'wolf', {}, closed.b),
    ({ error }) => error?.reason === 'ERROR_REASON_CONTENT_REJECTED',
    30_000,
  );
  expect(await entryOf('open', 'policy.put')).toMatchObject({ details: { policy_version: '1' } });
  expect(await entryOf('open', 'policy.unjudged')).toMatchObject({ reason: 'POLICY_UNAVAILABLE' });
}, 120_000);

/** What the second node says it lacks. */
const degraded = async (): Promise<string[]> => {
  const url = `${platform.socketUrls[1]?.replace('ws:', 'http:')}/health/ready`;
  const answer = (await (await fetch(url)).json()) as { degraded?: string[] };
  return answer.degraded ?? [];
};
