import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Judgement, PolicyClient, type PolicySource } from '@caas/compliance-client/policy-client';
import { createLogger } from '@caas/kit/log';
import { openSqlitePolicyStore } from '@caas/policy-store';
import {
  ContentPolicy,
  HeldContent,
  type ListHeldContentsRequest,
  PolicyAction,
  type PolicyRule,
} from '@caas/proto/caas/compliance/v1/policy_service';
import { MessageSent } from '@caas/proto/caas/events/v1/message_events';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { type ComplianceUnderTest, startCompliance } from './testing/start-compliance.ts';

const base = await mkdtemp(join(tmpdir(), 'policy-'));
const logger = createLogger({ service: 'test', level: 'silent' });
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => rm(base, { recursive: true, force: true }));

const start = async (folder?: string, address?: string): Promise<ComplianceUnderTest & { folder: string }> => {
  const where = folder ?? (await mkdtemp(join(base, 'case-')));
  const compliance = await startCompliance(where, address);
  closing.push(() => compliance.stop());
  return { ...compliance, folder: where };
};

/** A client as a socket node has it. */
const clientOf = (
  compliance: ComplianceUnderTest,
  over: { holdMs?: number; firstWordMs?: number; reviewMs?: number; source?: PolicySource } = {},
) => {
  const service = compliance.policyClientOf('socket');
  const client = new PolicyClient({ service, logger, ...over });
  const stopping = new AbortController();
  const running = client.run(stopping.signal);
  closing.push(async () => {
    stopping.abort();
    await running;
  });
  return client;
};

const aRule = (over: Partial<PolicyRule> = {}): PolicyRule => ({
  ruleId: 'badgers',
  match: { $case: 'words', value: { words: ['badger'] } },
  action: PolicyAction.POLICY_ACTION_REJECT,
  publicReason: 'no badgers here',
  remoteReview: false,
  ...over,
});
const aPolicy = (version: number, rules = [aRule()], over: Partial<ContentPolicy> = {}): ContentPolicy =>
  ContentPolicy.fromPartial({ tenantId: 'acme', version, rules, ...over });

const untilJudged = async (
  client: PolicyClient,
  tenantId: string,
  text: string,
  holds: (judgement: Judgement) => boolean,
): Promise<Judgement> => {
  const end = Date.now() + 30_000;
  for (;;) {
    const judgement = await client.judge(tenantId, text);
    if (holds(judgement)) return judgement;
    if (Date.now() > end) throw new Error(`not within 30 s, last: ${JSON.stringify(judgement)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

test('a policy gets versions, all of which can be read, and putting one is in the audit log', async () => {
  const { policy, operator } = await start();
  expect((await policy.operator.getPolicy({ tenantId: 'acme', version: 0 })).policy).toEqual(aPolicy(0, []));
  const first = await policy.operator.putPolicy({ policy: aPolicy(0) });
  expect(first.policy).toEqual(aPolicy(1, [aRule()], { putBy: 'operator', putAtMs: first.policy?.putAtMs as number }));
  await policy.operator.putPolicy({ policy: aPolicy(1, []) });
  expect((await policy.operator.getPolicy({ tenantId: 'acme', version: 1 })).policy).toEqual(first.policy);
  expect((await policy.operator.getPolicy({ tenantId: 'acme', version: 0 })).policy).toMatchObject({
    version: 2,
    rules: [],
  });
  await expect(policy.operator.getPolicy({ tenantId: 'acme', version: 3 })).rejects.toMatchObject({
    reason: 'NOT_FOUND',
  });
  const query = {
    tenantId: 'acme',
    actorId: '',
    subjectId: '',
    action: 'policy.put',
    traceId: '',
    fromMs: 0,
    untilMs: 0,
    limit: 0,
    cursor: '',
  };
  const end = Date.now() + 10_000;
  let versions: (string | undefined)[] = [];
  while (versions.length < 2 && Date.now() < end)
    versions = (await operator.queryAudit(query)).entries.map(({ event }) => event?.details['policy_version']);
  expect(versions).toEqual(['2', '1']);
});

test('who has not seen the current version is refused, and so is who is no operator', async () => {
  const { policy } = await start();
  await policy.operator.putPolicy({ policy: aPolicy(0) });
  for (const seen of [0, 2])
    await expect(policy.operator.putPolicy({ policy: aPolicy(seen) })).rejects.toMatchObject({
      reason: 'FAILED_PRECONDITION',
      details: { current_version: '1' },
    });
  await expect(policy.socket.putPolicy({ policy: aPolicy(1) })).rejects.toMatchObject({ reason: 'PERMISSION_DENIED' });
});

test('a policy that can’t be applied is refused by the field, and nothing is put', async () => {
  const { policy } = await start();
  const bad = aRule({ match: { $case: 'patterns', value: { patterns: ['ok', '(?=x)'] } } });
  await expect(
    policy.operator.putPolicy({ policy: aPolicy(0, [aRule(), { ...bad, ruleId: 'b' }]) }),
  ).rejects.toMatchObject({
    reason: 'INVALID_ARGUMENT',
    details: { field: 'policy.rules[1].patterns.patterns[1]', rule_id: 'b' },
  });
  await expect(policy.operator.putPolicy({ policy: undefined })).rejects.toMatchObject({
    details: { field: 'policy' },
  });
  const huge = Array.from({ length: 20 }, (_, i) =>
    aRule({
      ruleId: `${i}`,
      match: { $case: 'links', value: { allowedDomains: [], deniedDomains: Array(1_000).fill('d'.repeat(240)) } },
    }),
  );
  await expect(policy.operator.putPolicy({ policy: aPolicy(0, huge.slice(0, 10)) })).rejects.toMatchObject({
    reason: 'INVALID_ARGUMENT',
    details: { field: 'policy', unit: 'bytes' },
  });
  expect((await policy.operator.getPolicy({ tenantId: 'acme', version: 0 })).policy).toMatchObject({ version: 0 });
});

test('a client has the policies of the tenants it asks of, and each new version', async () => {
  const compliance = await start();
  await compliance.policy.operator.putPolicy({ policy: aPolicy(0) });
  const client = clientOf(compliance);
  expect(await client.judge('acme', 'a badger')).toEqual({
    kind: 'reject',
    ruleIds: ['badgers'],
    publicReason: 'no badgers here',
    version: 1,
  });
  expect(await client.judge('other', 'a badger')).toEqual({ kind: 'allow', version: 0 });
  // From now on it is at hand.
  expect(client.judge('acme', 'a fox')).toEqual({ kind: 'allow', version: 1 });
  expect(client.judge('other', 'a badger')).toEqual({ kind: 'allow', version: 0 });
  await compliance.policy.operator.putPolicy({ policy: aPolicy(1, []) });
  await untilJudged(client, 'acme', 'a badger', ({ kind, version }) => kind === 'allow' && version === 2);
  // What another instance puts is found in the store.
  await compliance.policies.put({
    tenantId: 'other',
    version: 1,
    policy: ContentPolicy.encode(aPolicy(1, [aRule()], { tenantId: 'other' })).finish(),
    putAtMs: 0,
  });
  await untilJudged(client, 'other', 'a badger', ({ kind }) => kind === 'reject');
});

test('a client that lost compliance goes on for as long as it may, then does as each tenant says, and comes back', async () => {
  const compliance = await start();
  const put = (tenantId: string, openWithoutVerdict: boolean) =>
    compliance.policy.operator.putPolicy({ policy: aPolicy(0, [aRule()], { tenantId, openWithoutVerdict }) });
  await Promise.all([put('closed', false), put('open', true)]);
  const client = clientOf(compliance, { holdMs: 1_500, firstWordMs: 100 });
  for (const tenantId of ['closed', 'open', 'none']) await client.judge(tenantId, 'x');
  await compliance.stop();
  const lostAtMs = performance.now();
  expect(client.judge('closed', 'a fox')).toEqual({ kind: 'allow', version: 1 });
  await untilJudged(client, 'closed', 'a fox', ({ kind }) => kind === 'unavailable');
  expect(performance.now() - lostAtMs).toBeGreaterThan(300);
  expect(client.judge('open', 'a fox')).toEqual({ kind: 'unjudged', version: 1 });
  // What the old copy refuses, it refuses still.
  expect(client.judge('open', 'a badger')).toMatchObject({ kind: 'reject', version: 1 });
  expect(client.judge('none', 'a badger')).toEqual({ kind: 'allow', version: 0 });
  // Nobody has said what this one wants.
  expect(await client.judge('never heard of', 'a fox')).toEqual({ kind: 'unavailable', version: 0 });
  const again = await start(compliance.folder, compliance.address);
  await untilJudged(client, 'closed', 'a fox', ({ kind }) => kind === 'allow');
  await untilJudged(client, 'never heard of', 'a fox', ({ kind }) => kind === 'allow');
  await again.policy.operator.putPolicy({ policy: aPolicy(1, [], { tenantId: 'closed' }) });
  await untilJudged(client, 'closed', 'a badger', ({ version }) => version === 2);
});

test('who hears from a service that can’t read its store is not told that all is well', async () => {
  const compliance = await start();
  await compliance.policy.operator.putPolicy({ policy: aPolicy(0) });
  const client = clientOf(compliance, { holdMs: 1_500 });
  await client.judge('acme', 'x');
  await compliance.policies.close();
  await untilJudged(client, 'acme', 'a fox', ({ kind }) => kind === 'unavailable');
});

test('while compliance is away a client asks where policies are kept, also of tenants it never heard of', async () => {
  const compliance = await start();
  const put = (tenantId: string, over: Partial<ContentPolicy> = {}) =>
    compliance.policy.operator.putPolicy({ policy: aPolicy(0, [aRule()], { tenantId, ...over }) });
  await Promise.all([put('closed'), put('other')]);
  const service = { address: compliance.address, folder: compliance.folder };
  const known = clientOf(compliance, { holdMs: 2_000 });
  await known.judge('closed', 'x');
  await compliance.stop();
  const source = await openSqlitePolicyStore({ file: join(service.folder, 'policies.db') });
  closing.push(() => source.close());
  const client = clientOf(compliance, { holdMs: 2_000, source });
  // A node that starts now: who has no policy is free, who has one is judged by it.
  expect(await client.judge('none', 'a badger')).toEqual({ kind: 'allow', version: 0 });
  await untilJudged(client, 'closed', 'a badger', ({ kind }) => kind === 'reject');
  expect(await client.judge('other', 'a fox')).toEqual({ kind: 'allow', version: 1 });
  // One that has nothing to ask has no verdict by now, and this one for as long as it can read.
  await untilJudged(known, 'closed', 'a fox', ({ kind }) => kind === 'unavailable');
  expect(client.judge('closed', 'a fox')).toEqual({ kind: 'allow', version: 1 });
  expect(client.hearsCompliance).toBe(false);
  const stricter = aPolicy(2, [aRule({ match: { $case: 'words', value: { words: ['fox'] } } })], { tenantId: 'other' });
  const policy = ContentPolicy.encode(stricter).finish();
  await source.put({ tenantId: 'other', version: 2, policy, putAtMs: 0 });
  await untilJudged(client, 'other', 'a fox', ({ kind, version }) => kind === 'reject' && version === 2);
  await source.close();
  await untilJudged(client, 'closed', 'a fox', ({ kind }) => kind === 'unavailable');
  expect(client.judge('none', 'a badger')).toEqual({ kind: 'allow', version: 0 });
  await start(service.folder, service.address);
  await untilJudged(client, 'closed', 'a fox', ({ kind }) => kind === 'allow');
  expect(client.hearsCompliance).toBe(true);
}, 60_000);

test('what is held is kept once, by tenant, for those who decide alone', async () => {
  const compliance = await start();
  const { policy } = compliance;
  const held = (heldId: string, tenantId = 'acme') =>
    HeldContent.fromPartial({
      heldId,
      event: { $case: 'sent', value: MessageSent.fromPartial({ tenantId, messageId: heldId }) },
      policyVersion: 1,
      ruleIds: ['badgers'],
    });
  const hold = (tenantId: string, content: HeldContent) => policy.socket.holdContent({ tenantId, content });
  for (const id of ['b', 'a', 'b']) await hold('acme', held(id));
  await hold('other', held('b', 'other'));
  const list = (over: Partial<ListHeldContentsRequest> = {}) =>
    policy.operator.listHeldContents({ tenantId: 'acme', limit: 0, cursor: '', ...over });
  const all = await list();
  expect(all.contents.map(({ heldId }) => heldId).toSorted()).toEqual(['a', 'b']);
  const first = await list({ limit: 1 });
  const second = await list({ limit: 1, cursor: first.cursor });
  expect([...first.contents, ...second.contents]).toEqual(all.contents);
  expect(await list({ limit: 1, cursor: second.cursor })).toEqual({ contents: [], cursor: '' });
  await expect(list({ cursor: 'xx' })).rejects.toMatchObject({ reason: 'CURSOR_INVALID' });
  await expect(hold('other', held('c'))).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' });
  await expect(policy.socket.listHeldContents({ tenantId: 'acme', limit: 0, cursor: '' })).rejects.toMatchObject({
    reason: 'PERMISSION_DENIED',
  });
});

test('what rules ask a review for is judged by compliance, many at once, and without it as the tenant says', async () => {
  const compliance = await start();
  const rules = [
    aRule({ remoteReview: true }),
    aRule({
      ruleId: 'foxes',
      match: { $case: 'words', value: { words: ['fox'] } },
      action: PolicyAction.POLICY_ACTION_MASK,
    }),
    aRule({
      ruleId: 'owls',
      match: { $case: 'words', value: { words: ['owl'] } },
      action: PolicyAction.POLICY_ACTION_MASK,
      remoteReview: true,
    }),
  ];
  await compliance.policy.operator.putPolicy({ policy: aPolicy(0, rules) });
  const client = clientOf(compliance, { reviewMs: 10_000 });
  await client.judge('acme', 'x');
  const judged = await Promise.all(
    Array.from({ length: 500 }, (_, i) => client.judge('acme', i % 2 === 0 ? `badger ${i}` : `owl and fox ${i}`)),
  );
  for (const [i, judgement] of judged.entries())
    expect(judgement).toEqual(
      i % 2 === 0
        ? { kind: 'reject', ruleIds: ['badgers'], publicReason: 'no badgers here', version: 1 }
        : { kind: 'mask', ruleIds: ['foxes', 'owls'], text: `*** and *** ${i}`, version: 1 },
    );
  await compliance.stop();
  expect(await client.judge('acme', 'badger')).toEqual({ kind: 'unavailable', version: 1 });
}, 30_000);

test('a text that takes long is judged in a thread, and the loop goes on', async () => {
  const compliance = await start();
  const match = { $case: 'patterns' as const, value: { patterns: ['(?:a?){400}a{400}b', 'end$'] } };
  await compliance.policy.operator.putPolicy({
    policy: aPolicy(0, [aRule({ match, action: PolicyAction.POLICY_ACTION_MASK })]),
  });
  const client = clientOf(compliance);
  await client.judge('acme', 'x');
  let turns = 0;
  const count = (): void => {
    turns++;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  const judgement = client.judge('acme', `${'a'.repeat(8_000)} the end`);
  expect(judgement).toBeInstanceOf(Promise);
  // The first one waits for the thread to begin, on a busy machine longer than a text may take.
  const verdict = await untilJudged(client, 'acme', `${'a'.repeat(8_000)} the end`, ({ kind }) => kind === 'mask');
  clearImmediate(next);
  expect(verdict).toMatchObject({ kind: 'mask', text: `${'a'.repeat(8_000)} the ***` });
  expect(turns).toBeGreaterThan(10);
}, 60_000);
