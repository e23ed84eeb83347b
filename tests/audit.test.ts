import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type AuditAction, auditActions, installationTenant } from '@caas/compliance-client/audit';
import { checkpointLine, entryLine, verifyExport } from '@caas/compliance-client/verify';
import { Topic } from '@caas/event-log';
import { CaasError, newTraceparent, traceIdOf } from '@caas/kit';
import { createGrpcClient, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { until } from '@caas/kit/testing/until';
import { type Engines, platformConfig } from '@caas/platform';
import { TenantServiceService } from '@caas/proto/caas/auth/v1/tenant_service';
import { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type AuditLog, auditLogOf } from './support/audit-log.ts';
import { KillablePlatform } from './support/killable-platform.ts';
import { signIn, type TestPlatform, type TestUser, testPlatform } from './support/platform.ts';
import { ended, privacyOf } from './support/privacy.ts';
import { RawClient } from './support/raw-client.ts';
import { anotherTenant, operatorToken } from './support/tenants.ts';

const generous = { framesPerMinute: 100_000, sendsPerSecond: 10_000, sendsBurst: 10_000 };

/** A group of alice's, with bob in it. */
const groupOf = async (alice: RawClient, bob: TestUser, title = 'room'): Promise<string> => {
  const created = await alice.ask({
    createConversation: { kind: 'CONVERSATION_KIND_GROUP', title, clientRef: title, memberIds: [bob.userId] },
  });
  if (!created.conversation) throw new Error(`no group: ${JSON.stringify(created)}`);
  return created.conversation.conversation.conversationId;
};

/** Runs `caas audit …` as an operator of the platform does. */
const caas = async ({ complianceAddress }: TestPlatform, ...args: string[]) => {
  const child = spawn(process.execPath, ['-C', '@caas/source', 'packages/cli/src/main.ts', 'audit', ...args], {
    env: { ...process.env, CAAS_COMPLIANCE_ADDRESS: complianceAddress, CAAS_OPERATOR_TOKEN: operatorToken },
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code, stdout, stderr };
};

/** Sends a message and resolves with its id when it is committed, so that it can be deleted. */
const committed = async (by: RawClient, conversationId: string, clientMsgId: string, text = clientMsgId) => {
  const { accepted } = await by.ask({ sendMessage: { conversationId, clientMsgId, content: { text } } });
  await by.waitFor(
    ({ event }) => event?.head?.conversationId === conversationId && event.head.lastPosition >= accepted.position,
  );
  return accepted.messageId as string;
};

/** Has each act of privacy done once, or refused. */
const everyActOfPrivacy = async (platform: TestPlatform): Promise<void> => {
  const privacy = privacyOf(platform);
  const tenantId = 'dev';
  const { userId } = await signIn(platform, 'erased');
  const of = { tenantId, userId, actorId: '' };
  const { job: asked } = await privacy.startExport({ ...of, requestId: 'export' });
  for await (const _ of privacy.readExport({ tenantId, jobId: asked?.jobId ?? '' }));
  const hold = { tenantId, holdId: 'h', userId, conversationId: '', reason: 'r', putBy: '', putAtMs: 0 };
  await privacy.putLegalHold({ hold });
  await expect(privacy.startErasure({ ...of, requestId: 'refused' })).rejects.toMatchObject({ reason: 'LEGAL_HOLD' });
  await privacy.releaseLegalHold({ tenantId, holdId: 'h', actorId: '' });
  await privacy.putRetention({ tenantId, conversationId: 'none', keepMs: 1_000, actorId: '' });
  const sweep = { tenantId, dryRun: true, requestId: 'sweep', actorId: '' };
  await ended(privacy, (await privacy.startRetention(sweep)).job);
  const { job: waits } = await privacy.startExport({ ...of, requestId: 'cancelled' });
  await privacy.cancelJob({ tenantId, jobId: waits?.jobId ?? '' });
  await ended(privacy, (await privacy.startErasure({ ...of, requestId: 'erasure' })).job);
  privacy.close();
};

const deleteFrame = (conversationId: string, messageId: string) => ({
  deleteMessage: { conversationId, messageId, scope: 'DELETE_SCOPE_FOR_EVERYONE' },
});

describe('what is done is in the audit log', () => {
  let platform: TestPlatform;
  let audit: AuditLog;
  let [alice, bob]: TestUser[] = [];
  let a: RawClient;
  beforeAll(async () => {
    const { services } = platformConfig({ CRYPTO_HOLDER_GRACE: '600ms' });
    platform = await testPlatform({ operatorToken, services, limits: generous });
    audit = auditLogOf(platform);
    [alice, bob] = await Promise.all([signIn(platform, 'alice'), signIn(platform, 'bob')]);
    a = await RawClient.open(platform.socketUrls[0] as string, (alice as TestUser).accessToken);
  });
  afterAll(async () => {
    await a.close();
    audit.close();
    await platform.stop();
  });

  const entryOf = (tenantId: string, query: { action?: AuditAction; subjectId?: string; traceId?: string }) =>
    until(
      `entry ${JSON.stringify(query)}`,
      async () => (await audit.find(tenantId, query))[0]?.event,
      (event) => event,
    );

  test('the trace id of a frame leads to its entry', async () => {
    const conversationId = await groupOf(a, bob as TestUser);
    const messageId = await committed(a, conversationId, 'm1');
    const traceparent = newTraceparent();
    const answer = await a.ask({ traceparent, ...deleteFrame(conversationId, messageId) });
    expect(answer.accepted.traceId).toBe(traceIdOf(traceparent));
    expect(await entryOf('dev', { traceId: traceIdOf(traceparent) })).toMatchObject({
      action: 'message.deleted',
      service: 'socket-1',
      actorKind: 1,
      actorId: alice?.userId,
      subjectKind: 'message',
      subjectId: messageId,
      conversationId,
      outcome: 1,
      details: { sender_id: alice?.userId },
    });
  });

  test('every act of the table is there once it was done', async () => {
    const logger = createLogger({ service: 'test', level: 'silent' });
    const auth = sharedTokenAuth({ token: 'not-the-services-token', operatorToken });
    const client = { address: platform.authAddress, auth, callerName: 'operator', logger };
    const [tenants, tokens] = [
      createGrpcClient(TenantServiceService, client),
      createGrpcClient(TokenServiceService, client),
    ];
    await anotherTenant(platform, 'table');
    const { appId } = await tenants.createApp({ tenantId: 'table', name: 'second' });
    await tenants.rotateAppSecret({ appId, overlapMs: 0 });
    await tokens.rotateKey({});
    tenants.close();
    tokens.close();

    const post = (path: string, body: object, token = '') =>
      fetch(`${platform.gatewayUrl}/api/v1/auth/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(token !== '' && { authorization: `Bearer ${token}` }) },
        body: JSON.stringify(body),
      });
    const wrong = { app_id: platform.app?.appId, app_secret: 'w'.repeat(43), user_external_id: 'eve' };
    expect((await post('sdk/token', wrong)).status).toBe(401);
    const carol = await signIn(platform, 'carol');
    const refresh = { refresh_token: carol.refreshToken };
    expect((await post('token/refresh', refresh)).status).toBe(200);
    expect((await post('token/refresh', refresh)).status).toBe(401);
    const stranger = new RawClient(platform.socketUrls[0] as string, 'not-a-token');
    await stranger.waitClosed();

    const conversationId = await groupOf(a, bob as TestUser, 'table');
    const of = { conversationId, userIds: [carol.userId] };
    for (const command of [
      { updateConversation: { conversationId, title: 'named' } },
      { addMembers: of },
      { setMemberRole: { conversationId, userId: bob?.userId, role: 'ROLE_ADMIN' } },
      { removeMembers: of },
    ])
      expect(await a.ask(command)).toHaveProperty('conversation');
    const messageId = await committed(a, conversationId, 'table');
    expect(await a.ask(deleteFrame(conversationId, messageId))).toHaveProperty('accepted');
    expect(await a.ask({ archiveConversation: { conversationId, archived: true } })).toHaveProperty('conversation');
    for await (const _ of audit.client.exportAudit({ tenantId: 'dev' }));
    await everyActOfPrivacy(platform);

    const seen = async (): Promise<string[]> => {
      const found = await Promise.all(['dev', 'table', installationTenant].map((tenantId) => audit.find(tenantId)));
      return [...new Set(found.flat().map(({ event }) => event?.action ?? ''))].toSorted();
    };
    // What happens when nothing works is missing, and what tests/policy.test.ts brings about.
    const isElsewhere = (action: string): boolean => action === 'audit.lost' || action.startsWith('policy.');
    const expected = Object.keys(auditActions).filter((action) => !isElsewhere(action));
    await until('every act', seen, (actions) => actions.length >= expected.length);
    expect(await seen()).toEqual(expected.toSorted());

    const refused = await entryOf('dev', { action: 'token.refused' });
    expect(refused).toMatchObject({ outcome: 2, reason: 'UNAUTHENTICATED', actorKind: 3, remoteAddress: '127.0.0.1' });
    expect(await entryOf(installationTenant, { action: 'connection.refused' })).toMatchObject({
      outcome: 2,
      reason: 'UNAUTHENTICATED',
      remoteAddress: expect.stringContaining('127.0.0.1'),
    });
    expect(await entryOf('dev', { action: 'token.reuse_detected' })).toMatchObject({ subjectId: carol.sessionId });
    expect(await entryOf('dev', { action: 'session.revoked', subjectId: carol.sessionId })).toMatchObject({
      details: { user_id: carol.userId, end_reason: 'REFRESH_TOKEN_REUSED' },
    });
    expect(await entryOf('dev', { action: 'members.added' })).toMatchObject({
      subjectId: carol.userId,
      conversationId,
    });
    expect(await entryOf('table', { action: 'tenant.created' })).toMatchObject({ actorKind: 2, actorId: 'operator' });
  });

  test('a tenant’s queries find nothing of another', async () => {
    const rival = await anotherTenant(platform, 'rival');
    const dora = await signIn(rival, 'dora');
    const d = await RawClient.open(platform.socketUrls[1] as string, dora.accessToken);
    await entryOf('rival', { action: 'connection.opened' });
    for (const { tenantId, event } of await audit.find('rival'))
      expect([tenantId, event?.tenantId]).toEqual(['rival', 'rival']);
    expect(await audit.find('rival', { actorId: alice?.userId as string })).toEqual([]);
    expect(await audit.find('dev', { actorId: dora.userId })).toEqual([]);
    await d.close();
  });

  test('no text of a message, no secret and no token is in it, nor in its files', async () => {
    const canary = 'canary-3f1c8e';
    const conversationId = await groupOf(a, bob as TestUser, 'secret');
    const messageId = await committed(a, conversationId, 'canary', canary);
    await a.ask(deleteFrame(conversationId, messageId));
    await entryOf('dev', { action: 'message.deleted', subjectId: messageId });
    const forbidden = [canary, alice?.accessToken, alice?.refreshToken, platform.app?.appSecret, operatorToken];
    const entries = JSON.stringify(await audit.find('dev'));
    const files = (await readdir(platform.dataDir)).filter((name) => name.startsWith('audit.db'));
    expect(files.length).toBeGreaterThan(0);
    const bytes = await Promise.all(files.map((name) => readFile(join(platform.dataDir, name), 'latin1')));
    for (const word of forbidden) for (const content of [entries, ...bytes]) expect(content).not.toContain(word);
  });

  test('while compliance is down everything goes on, and what was done comes in when it is back', async () => {
    const conversationId = await groupOf(a, bob as TestUser, 'down');
    const messageId = await committed(a, conversationId, 'down');
    const compliance = platform.services.get('compliance');
    await compliance?.crash();
    await expect(audit.find('dev')).rejects.toMatchObject({ reason: expect.stringMatching(/UNAVAILABLE|DEADLINE/) });
    expect(await a.ask(deleteFrame(conversationId, messageId))).toHaveProperty('accepted');
    await compliance?.restart();
    // Who was refused waits before it dials again, and with it all clients of the process, the nodes' among them.
    const isBack = (): Promise<boolean> =>
      audit.find('dev').then(
        () => true,
        () => false,
      );
    await until('compliance is back', isBack, (back) => back);
    expect(await entryOf('dev', { action: 'message.deleted', subjectId: messageId })).toMatchObject({ outcome: 1 });
  });

  test('caas audit export and caas audit verify: a file that was altered is told by what was done to it', async () => {
    const file = join(platform.dataDir, 'dev.jsonl');
    const exported = await caas(platform, 'export', '--tenant', 'dev', '--out', file);
    expect(exported).toMatchObject({ code: 0, stdout: expect.stringMatching(/written +\d+ entries/) });
    const key = /^key +(\S+)/m.exec(exported.stdout)?.[1] as string;
    expect(await caas(platform, 'export', '--tenant', 'dev', '--out', file)).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('is there already'),
    });
    expect(await caas(platform, 'verify', file, '--key', key, '--earlier', file)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('nothing was altered'),
    });
    const lines = (await readFile(file, 'utf8')).split('\n');
    const altered = join(platform.dataDir, 'altered.jsonl');
    for (const [word, changed] of [
      ['dropped', lines.toSpliced(1, 1)],
      ['reordered', lines.with(1, lines[2] as string).with(2, lines[1] as string)],
      ['truncated', lines.slice(0, -2)],
      ['altered', lines.with(0, (lines[0] as string).replace('"service":"', '"service":"x'))],
    ] as const) {
      await writeFile(altered, changed.join('\n'));
      const verdict = await caas(platform, 'verify', altered, '--key', key);
      expect(verdict).toMatchObject({ code: 1, stdout: expect.stringMatching(new RegExp(`^${word} `, 'm')) });
      expect(verdict.stdout).toContain('NOT VERIFIED');
    }
    const other = Buffer.alloc(32, 1).toString('base64');
    expect((await caas(platform, 'verify', file, '--key', other)).stdout).toContain('wrong key');
    expect(await caas(platform, 'verify', 'no-such-file', '--key', key)).toMatchObject({ code: 78 });
    expect(await caas(platform, 'verify', file, '--key', 'short')).toMatchObject({ code: 78 });
  }, 60_000);

  test('what an operator exports verifies offline', async () => {
    const lines: string[] = [];
    for await (const { item } of audit.client.exportAudit({ tenantId: 'dev' })) {
      if (item?.$case === 'entry') lines.push(entryLine(item.value.leaf).trimEnd());
      if (item?.$case === 'checkpoint') lines.push(checkpointLine(item.value).trimEnd());
    }
    const { checkpoint } = await audit.client.getCheckpoint({ tenantId: 'dev', minTreeSize: 1 });
    const publicKeys = [checkpoint?.publicKey as Uint8Array];
    expect(await verifyExport(lines, { publicKeys })).toMatchObject({ ok: true, findings: [] });
  });
});

describe('while the log takes no audit events', () => {
  let platform: TestPlatform | undefined;
  afterEach(() => platform?.stop());

  /** A platform whose log refuses audit events while `away`, a group in it, and messages to delete. */
  const withoutAudit = async (maxSpoolBytes: number) => {
    const state = { away: false };
    const between = (engines: Engines): Engines => {
      const { log } = engines;
      const append: typeof log.append = (records) =>
        state.away && records.some(({ topic }) => topic === Topic.auditLog)
          ? Promise.reject(new CaasError('UNAVAILABLE', 'no brokers'))
          : log.append(records);
      return { ...engines, log: new Proxy(log, { get: (of, name) => (name === 'append' ? append : bound(of, name)) }) };
    };
    const { services } = platformConfig({});
    const audit = { ...services.compliance.audit, maxSpoolBytes };
    platform = await testPlatform({
      operatorToken,
      limits: generous,
      between,
      crashable: false,
      services: { ...services, compliance: { ...services.compliance, audit } },
    });
    const [alice, bob] = await Promise.all([signIn(platform, 'alice'), signIn(platform, 'bob')]);
    const a = await RawClient.open(platform.socketUrls[0] as string, alice.accessToken);
    const conversationId = await groupOf(a, bob);
    const ids: string[] = [];
    for (let i = 0; i < 3; i += 1) ids.push(await committed(a, conversationId, `m${i}`));
    return { platform, state, a, conversationId, ids };
  };
  const deletionsIn = (where: TestPlatform, count: number) => {
    const audit = auditLogOf(where);
    return until(
      'what waited',
      async () =>
        (await audit.find('dev', { action: 'message.deleted' })).map(({ event }) => [event?.subjectId, event?.outcome]),
      ({ length }) => length === count,
    ).finally(() => audit.close());
  };

  test('they wait on disk, deletions are done, and the log has both when it is back', async () => {
    const { platform, state, a, conversationId, ids } = await withoutAudit(65_536);
    state.away = true;
    expect(await a.ask(deleteFrame(conversationId, ids[0] as string))).toHaveProperty('accepted');
    expect(await readdir(join(platform.dataDir, 'audit'))).toEqual([expect.stringMatching(/^socket-1-.*\.spool$/)]);
    state.away = false;
    expect(await deletionsIn(platform, 1)).toEqual([[ids[0], 1]]);
    await a.close();
  });

  test('and the disk has no room, deletions and operators’ acts are refused and not done, and all else goes on', async () => {
    const { platform, state, a, conversationId, ids } = await withoutAudit(0);
    state.away = true;
    const { error } = await a.ask(deleteFrame(conversationId, ids[0] as string));
    expect(error).toMatchObject({ reason: 'ERROR_REASON_UNAVAILABLE', retryable: true });
    await expect(anotherTenant(platform, 'refused')).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    await signIn(platform, 'carol');
    await committed(a, conversationId, 'still');
    const { history } = await a.ask({ getHistory: { conversationId, limit: 10 } });
    expect(history.messages.map(({ content }: { content?: object }) => content !== undefined)).toEqual(
      Array(4).fill(true),
    );
    state.away = false;
    expect(await a.ask(deleteFrame(conversationId, ids[0] as string))).toHaveProperty('accepted');
    await anotherTenant(platform, 'refused');
    expect(await deletionsIn(platform, 1)).toEqual([[ids[0], 1]]);
    // What was noted meanwhile is missing, and the log says so.
    const audit = auditLogOf(platform);
    const lost = await until(
      'what was lost',
      () => audit.find('dev', { action: 'audit.lost' }),
      ({ length }) => length > 0,
    );
    expect(Number(lost[0]?.event?.details['count'])).toBeGreaterThan(0);
    audit.close();
    await a.close();
  });
});

const bound = (of: object, name: string | symbol): unknown => {
  const value: unknown = Reflect.get(of, name, of);
  return typeof value === 'function' ? value.bind(of) : value;
};

describe('killed in the middle of writes', () => {
  let platform: KillablePlatform;
  afterAll(() => platform?.remove());

  test('every deletion that was answered is in the tree, each once', async () => {
    platform = await KillablePlatform.start({ operatorToken, limits: generous });
    const [alice, bob] = await Promise.all([signIn(platform.where, 'alice'), signIn(platform.where, 'bob')]);
    const answered: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const a = await RawClient.open(platform.where.socketUrls[0] as string, alice.accessToken);
      const conversationId = await groupOf(a, bob, `round-${round}`);
      const ids: string[] = [];
      for (let i = 0; i < 60; i += 1) {
        const content = { text: `m${i}` };
        const sent = await a.ask({ sendMessage: { conversationId, clientMsgId: `m${i}`, content } });
        ids.push(sent.accepted.messageId);
      }
      await a.waitFor((f) => f.event?.head?.conversationId === conversationId && f.event.head.lastSeq === 60);
      const before = answered.length;
      for (const messageId of ids)
        a.ask(deleteFrame(conversationId, messageId)).then(
          (answer) => void (answer.accepted && answered.push(messageId)),
          () => undefined,
        );
      await until(
        'some are answered',
        () => answered.length - before,
        (count) => count >= 5,
      );
      await platform.kill();
      await platform.start({ samePorts: false });
    }
    const audit = auditLogOf(platform.where);
    const deletions = await until(
      'all that were answered',
      async () => (await audit.find('dev', { action: 'message.deleted' })).map(({ event }) => event?.subjectId),
      (found) => answered.every((messageId) => found.includes(messageId)),
      20_000,
    );
    for (const messageId of answered)
      expect([messageId, deletions.filter((id) => id === messageId).length]).toEqual([messageId, 1]);
    audit.close();
  }, 60_000);
});
