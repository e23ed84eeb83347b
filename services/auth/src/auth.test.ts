import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaasError, newSecret, type Reason, reasonOf } from '@caas/kit';
import { createGrpcClient } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { TenantServiceService } from '@caas/proto/caas/auth/v1/tenant_service';
import type { IssueUserTokenResponse, TokenPair } from '@caas/proto/caas/auth/v1/token_service';
import type { Claims } from '@caas/proto/caas/common/v1/claims';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { type AuthUnderTest, type AuthUnderTestOptions, startAuth, TestClock, testServiceAuth } from './testing.ts';

const root = await mkdtemp(join(tmpdir(), 'auth-'));
let counter = 0;
const newFolder = (): string => join(root, String(++counter));
const started: AuthUnderTest[] = [];
afterEach(async () => {
  for (const auth of started.splice(0)) await auth.stop();
});
afterAll(() => rm(root, { recursive: true, force: true }));

const appSecret = newSecret();

const start = async (options: Partial<AuthUnderTestOptions> = {}) => {
  const auth = await startAuth({ folder: newFolder(), ...options });
  started.push(auth);
  const { appId } = await auth.bootstrapDevelopment({ appSecret });
  const issue = (userExternalId = 'ann', over = {}): Promise<Required<Issued>> =>
    auth.tokens
      .issueUserToken({ appId, appSecret, userExternalId, displayName: '', device: '', remoteAddress: '', ...over })
      .then(issued);
  const verify = async (...accessTokens: string[]): Promise<(Reason | 'ok')[]> => {
    const { verdicts } = await auth.tokens.verifyTokens({ accessTokens });
    return verdicts.map(({ verdict }) => (verdict?.$case === 'refused' ? reasonOf(verdict.value) : 'ok'));
  };
  const refresh = (refreshToken: string) => auth.tokens.refreshToken({ refreshToken }).then(issued);
  return { ...auth, appId, issue, verify, refresh };
};

interface Issued extends TokenPair {
  claims: Claims;
}
const issued = ({ tokens, claims }: Pick<IssueUserTokenResponse, 'tokens' | 'claims'>): Issued => {
  if (!tokens || !claims) throw new Error('an answer without tokens or claims');
  return { ...tokens, claims };
};

const reason = (expected: Reason) => ({ reason: expected });

/** Polls until it holds; fails with the last value after the deadline. */
const eventually = async <T>(look: () => Promise<T> | T, holds: (value: T) => boolean, withinMs = 5000): Promise<T> => {
  const untilMs = Date.now() + withinMs;
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    if (Date.now() > untilMs) throw new Error(`not within ${withinMs} ms: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

describe('issuing', () => {
  test('gives a token that the JWKS verifies with an independent library', async () => {
    const auth = await start();
    const { accessToken, claims, expiresAtMs } = await auth.issue('ann');
    const jwks = JSON.parse((await auth.tokens.getKeys({})).jwksJson) as JSONWebKeySet;
    for (const key of jwks.keys) expect(key).not.toHaveProperty('d');
    const { payload, protectedHeader } = await jwtVerify(accessToken, createLocalJWKSet(jwks), {
      issuer: 'caas',
      audience: 'caas',
    });
    expect(protectedHeader).toEqual({ alg: 'EdDSA', typ: 'JWT', kid: jwks.keys[0]?.kid });
    const { tenantId: tid, appId: aid, userId: sub, sessionId: sid } = claims;
    expect(payload).toMatchObject({ tid, aid, sub, sid, scope: 'chat', exp: expiresAtMs / 1000 });
    expect(payload.jti).toBeTruthy();
    expect(tid).toBe('dev');
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(900);
  });

  test('makes one user an external id, a session each time, and keeps the name it was given', async () => {
    const auth = await start();
    const a = await auth.issue('ann', { displayName: 'Ann' });
    const b = await auth.issue('ann');
    expect(b.claims.userId).toBe(a.claims.userId);
    expect(b.claims.sessionId).not.toBe(a.claims.sessionId);
    expect(await auth.accounts.users.get('dev', a.claims.userId)).toMatchObject({
      displayName: 'Ann',
      externalId: 'ann',
    });
    expect((await auth.issue('bob')).claims.userId).not.toBe(a.claims.userId);
  });

  test('answers a wrong secret and an unknown app alike', async () => {
    const auth = await start();
    const refusal = async (over: object): Promise<object> => {
      const error = (await auth.issue('ann', over).catch((e: unknown) => e)) as Error & {
        reason: Reason;
        details: object;
      };
      return { reason: error.reason, message: error.message, details: error.details };
    };
    const wrongSecret = await refusal({ appSecret: newSecret() });
    expect(wrongSecret).toMatchObject(reason('UNAUTHENTICATED'));
    expect(await refusal({ appId: 'no-such-app' })).toEqual(wrongSecret);
    expect(await refusal({ appId: 'no-such-app', appSecret: 'no secret' })).toEqual(wrongSecret);
  });

  test('refuses control characters, oversized fields and deactivated users', async () => {
    const auth = await start();
    await expect(auth.issue('a\u0000b')).rejects.toMatchObject({
      ...reason('INVALID_ARGUMENT'),
      details: { field: 'user_external_id' },
    });
    await expect(auth.issue('x'.repeat(257))).rejects.toMatchObject(reason('INVALID_ARGUMENT'));
    await expect(auth.issue('')).rejects.toMatchObject(reason('INVALID_ARGUMENT'));
    const { claims, refreshToken } = await auth.issue('ann');
    await auth.accounts.users.updateProfile('dev', claims.userId, { deactivated: true }, Date.now());
    await expect(auth.issue('ann')).rejects.toMatchObject(reason('USER_DEACTIVATED'));
    await expect(auth.refresh(refreshToken)).rejects.toMatchObject(reason('USER_DEACTIVATED'));
  });

  test('ends the oldest session when one more than the limit begins', async () => {
    const auth = await start({ config: { maxLiveSessions: 3 } });
    const tokens: string[] = [];
    for (let i = 0; i < 5; i++) tokens.push((await auth.issue('ann')).accessToken);
    expect(await auth.verify(...tokens)).toEqual(['SESSION_REVOKED', 'SESSION_REVOKED', 'ok', 'ok', 'ok']);
  });
});

describe('refreshing', () => {
  test('gives the next pair of the same session and spends the token', async () => {
    const auth = await start();
    const first = await auth.issue();
    const second = await auth.refresh(first.refreshToken);
    expect(second.claims).toMatchObject({ sessionId: first.claims.sessionId, userId: first.claims.userId });
    expect(second.refreshToken).not.toBe(first.refreshToken);
    const third = await auth.refresh(second.refreshToken);
    expect(await auth.verify(first.accessToken, second.accessToken, third.accessToken)).toEqual(['ok', 'ok', 'ok']);
  });

  test('with a spent token ends the whole family at once', async () => {
    const auth = await start();
    const [first, other] = [await auth.issue(), await auth.issue()];
    const second = await auth.refresh(first.refreshToken);
    expect(await auth.verify(second.accessToken)).toEqual(['ok']);
    await expect(auth.refresh(first.refreshToken)).rejects.toMatchObject(reason('REFRESH_TOKEN_REUSED'));
    expect(await auth.verify(second.accessToken, first.accessToken, other.accessToken)).toEqual([
      'SESSION_REVOKED',
      'SESSION_REVOKED',
      'ok',
    ]);
    await expect(auth.refresh(second.refreshToken)).rejects.toMatchObject(reason('REFRESH_TOKEN_REUSED'));
  });

  test('twice at once lets exactly one win', async () => {
    const auth = await start();
    for (let round = 0; round < 5; round++) {
      const { refreshToken } = await auth.issue();
      const results = await Promise.allSettled(Array.from({ length: 6 }, () => auth.refresh(refreshToken)));
      expect(results.filter((r) => r.status === 'fulfilled')).toHaveLength(1);
      for (const r of results) {
        if (r.status === 'rejected') expect(r.reason).toMatchObject(reason('REFRESH_TOKEN_REUSED'));
      }
    }
  });

  test('again within a configured grace gives a client that lost the answer the same token', async () => {
    const clock = new TestClock();
    const auth = await start({ clock, config: { refreshGraceMs: 10_000 } });
    const { refreshToken } = await auth.issue();
    const [a, b] = await Promise.all([auth.refresh(refreshToken), auth.refresh(refreshToken)]);
    expect(b.refreshToken).toBe(a.refreshToken);
    clock.move(9_999);
    expect((await auth.refresh(refreshToken)).refreshToken).toBe(a.refreshToken);
    clock.move(1);
    await expect(auth.refresh(refreshToken)).rejects.toMatchObject(reason('REFRESH_TOKEN_REUSED'));
    await expect(auth.refresh(a.refreshToken)).rejects.toMatchObject(reason('REFRESH_TOKEN_REUSED'));
  });

  test('with a made-up token of a known session ends nothing', async () => {
    const auth = await start();
    const { refreshToken, accessToken } = await auth.issue();
    const madeUp = refreshToken.replace(/.{43}$/, newSecret());
    await expect(auth.refresh(madeUp)).rejects.toMatchObject(reason('UNAUTHENTICATED'));
    expect(await auth.verify(accessToken)).toEqual(['ok']);
    await auth.refresh(refreshToken);
  });

  test('is refused after the token’s lifetime', async () => {
    const clock = new TestClock();
    const auth = await start({ clock });
    const { refreshToken, refreshExpiresAtMs } = await auth.issue();
    clock.move(refreshExpiresAtMs - clock.now());
    await expect(auth.refresh(refreshToken)).rejects.toMatchObject(reason('UNAUTHENTICATED'));
  });
});

describe('verifying', () => {
  test('judges each token of a batch on its own, in order', async () => {
    const clock = new TestClock();
    const auth = await start({ clock });
    const old = await auth.issue('ann');
    clock.move(10 * 60_000);
    const fresh = await auth.issue('bob', { displayName: 'Bob' });
    clock.move(6 * 60_000);
    const verdicts = await auth.verify('junk', fresh.accessToken, old.accessToken, fresh.accessToken);
    expect(verdicts).toEqual(['UNAUTHENTICATED', 'ok', 'TOKEN_EXPIRED', 'ok']);
    const {
      verdicts: [verdict],
    } = await auth.tokens.verifyTokens({ accessTokens: [fresh.accessToken] });
    expect(verdict?.verdict).toMatchObject({ $case: 'verified', value: { claims: fresh.claims, allowedOrigins: [] } });
    // Also when the signature is remembered.
    clock.move(10 * 60_000);
    expect(await auth.verify(fresh.accessToken)).toEqual(['TOKEN_EXPIRED']);
  });

  test('refuses tokens of another installation with the same names', async () => {
    const [auth, other] = [await start(), await start()];
    expect(await auth.verify((await other.issue()).accessToken)).toEqual(['UNAUTHENTICATED']);
    await expect(auth.refresh((await other.issue()).refreshToken)).rejects.toMatchObject(reason('UNAUTHENTICATED'));
  });

  test('tells a tenant’s limits and origins with the verdict', async () => {
    const auth = await start();
    const limits = { maxTextBytes: 100 };
    await auth.tenants.createTenant({ tenantId: 'acme', name: 'Acme', limits, allowedOrigins: ['https://acme.test'] });
    const app = await auth.tenants.createApp({ tenantId: 'acme', name: 'web' });
    const { accessToken, claims } = await auth.issue('ann', app);
    expect(claims.tenantId).toBe('acme');
    const {
      verdicts: [verdict],
    } = await auth.tokens.verifyTokens({ accessTokens: [accessToken] });
    expect(verdict?.verdict).toMatchObject({ value: { limits, allowedOrigins: ['https://acme.test'] } });
  });

  test('gives no verdict when the store gives none', async () => {
    const auth = await start();
    const { accessToken } = await auth.issue();
    await auth.accounts.close();
    await expect(auth.tokens.verifyTokens({ accessTokens: [accessToken] }, { deadlineMs: 500 })).rejects.toMatchObject({
      retryable: true,
    });
  });
});

describe('signing keys', () => {
  test('rotate: new tokens by the new key, old tokens and their key valid until the last one expired', async () => {
    const clock = new TestClock();
    const auth = await start({ clock });
    const before = await auth.issue();
    const { keyId } = await auth.operatorTokens.rotateKey({});
    const after = await auth.issue();
    expect(decodeProtectedHeader(after.accessToken).kid).toBe(keyId);
    expect(decodeProtectedHeader(before.accessToken).kid).not.toBe(keyId);
    expect(await auth.verify(before.accessToken, after.accessToken)).toEqual(['ok', 'ok']);
    const keyIds = async () => {
      const { jwksJson } = await auth.tokens.getKeys({});
      return (JSON.parse(jwksJson) as JSONWebKeySet).keys.map((key) => key.kid);
    };
    expect(await keyIds()).toEqual([keyId, decodeProtectedHeader(before.accessToken).kid]);
    clock.move(15 * 60_000 + 60_000);
    expect(await keyIds()).toHaveLength(2);
    clock.move(11_000);
    await eventually(keyIds, (ids) => ids.length === 1 && ids[0] === keyId, 8000);
  });

  test('made by one instance are known to another at the first token', async () => {
    const folder = newFolder();
    const clock = new TestClock();
    const [a, b] = [await start({ folder, clock }), await start({ folder, clock })];
    expect(await b.verify((await a.issue()).accessToken)).toEqual(['ok']);
    await a.operatorTokens.rotateKey({});
    const token = (await a.issue()).accessToken;
    // Within the least time between reads nobody can make us read; the token is known right after.
    clock.move(1000);
    expect(await b.verify(token)).toEqual(['ok']);
  });

  test('and sessions survive a restart', async () => {
    const folder = newFolder();
    const first = await start({ folder });
    const kept = await first.issue();
    const ended = await first.issue();
    await first.sessions.endSession({ claims: ended.claims, sessionId: ended.claims.sessionId });
    await first.stop();
    const second = await start({ folder });
    expect(await second.verify(kept.accessToken, ended.accessToken)).toEqual(['ok', 'SESSION_REVOKED']);
    const { sessionId } = (await second.refresh(kept.refreshToken)).claims;
    expect(sessionId).toBe(kept.claims.sessionId);
  });

  test('are stored sealed', async () => {
    const auth = await start();
    const [key] = await auth.accounts.signingKeys.list();
    if (!key) throw new Error('no key');
    const plain = Buffer.from(auth.rootKey.open(`signing-key/${key.keyId}`, key.sealedPrivateKey));
    expect(Buffer.from(key.sealedPrivateKey).includes(plain.subarray(16))).toBe(false);
  });
});

describe('sessions', () => {
  test('are listed newest first, the current one marked', async () => {
    const clock = new TestClock();
    const auth = await start({ clock });
    const a = await auth.issue('ann', { device: 'phone', remoteAddress: '10.0.0.1' });
    clock.move(1);
    const b = await auth.issue('ann', { device: 'laptop' });
    await auth.issue('bob');
    const { sessions } = await auth.sessions.listSessions({ claims: a.claims });
    expect(sessions.map((s) => [s.sessionId, s.device, s.current])).toEqual([
      [b.claims.sessionId, 'laptop', false],
      [a.claims.sessionId, 'phone', true],
    ]);
    expect(sessions[1]?.remoteAddress).toBe('10.0.0.1');
  });

  test('of one’s own end at once, and ending one twice is fine', async () => {
    const auth = await start();
    const [a, b] = [await auth.issue(), await auth.issue()];
    expect(await auth.verify(a.accessToken, b.accessToken)).toEqual(['ok', 'ok']);
    for (let i = 0; i < 2; i++) await auth.sessions.endSession({ claims: a.claims, sessionId: b.claims.sessionId });
    expect(await auth.verify(a.accessToken, b.accessToken)).toEqual(['ok', 'SESSION_REVOKED']);
    await expect(auth.refresh(b.refreshToken)).rejects.toMatchObject(reason('SESSION_REVOKED'));
    expect(await auth.sessions.endAllSessions({ claims: a.claims })).toEqual({ ended: 1 });
    expect(await auth.verify(a.accessToken)).toEqual(['SESSION_REVOKED']);
  });

  test('of others are not found', async () => {
    const auth = await start();
    const [ann, bob] = [await auth.issue('ann'), await auth.issue('bob')];
    for (const sessionId of [bob.claims.sessionId, 'none']) {
      await expect(auth.sessions.endSession({ claims: ann.claims, sessionId })).rejects.toMatchObject(
        reason('NOT_FOUND'),
      );
    }
    const foreign = { ...bob.claims, tenantId: 'other' };
    await expect(auth.sessions.endSession({ claims: foreign, sessionId: bob.claims.sessionId })).rejects.toMatchObject(
      reason('NOT_FOUND'),
    );
    expect(await auth.verify(bob.accessToken)).toEqual(['ok']);
  });

  test('are checked in bulk by tenant and id', async () => {
    const auth = await start();
    const [a, b] = [await auth.issue(), await auth.issue()];
    await auth.sessions.endSession({ claims: b.claims, sessionId: b.claims.sessionId });
    const ref = ({ tenantId, sessionId }: Claims) => ({ tenantId, sessionId });
    const sessions = [ref(a.claims), ref(b.claims), { ...ref(a.claims), tenantId: 'other' }];
    const { invalidSessionIds } = await auth.sessions.checkSessions({ sessions });
    expect(invalidSessionIds).toEqual([b.claims.sessionId, a.claims.sessionId]);
  });
});

describe('revocations', () => {
  const watch = (auth: AuthUnderTest) => {
    const controller = new AbortController();
    const batches: string[][] = [];
    const blind: boolean[] = [];
    const done = (async () => {
      for await (const { revoked, blind: isBlind } of auth.sessions.watchRevocations(
        {},
        { signal: controller.signal },
      )) {
        blind.push(isBlind);
        batches.push(revoked.map((r) => `${r.tenantId}/${r.userId}/${r.sessionId}`));
      }
    })().catch((error: unknown) => error);
    return { batches, blind, stop: () => controller.abort(new Error('enough')), done };
  };
  const named = ({ tenantId, userId, sessionId }: Claims): string => `${tenantId}/${userId}/${sessionId}`;

  test('are pushed at once, each one once, with signs of life in between', async () => {
    const auth = await start();
    const a = await auth.issue();
    const stream = watch(auth);
    await eventually(
      () => stream.batches.length,
      (n) => n === 1,
    );
    expect(stream.batches).toEqual([[]]);
    const startedAt = performance.now();
    await auth.sessions.endSession({ claims: a.claims, sessionId: a.claims.sessionId });
    await eventually(
      () => stream.batches.flat(),
      (all) => all.length === 1,
    );
    expect(performance.now() - startedAt).toBeLessThan(500);
    // Polls find it in the store again meanwhile.
    await eventually(
      () => stream.batches.filter((b) => b.length === 0).length,
      (n) => n >= 3,
      6000,
    );
    expect(stream.batches.flat()).toEqual([named(a.claims)]);
    stream.stop();
    await stream.done;
  });

  test('by another instance reach watchers and verdicts here within two seconds', async () => {
    const folder = newFolder();
    const [here, there] = [await start({ folder }), await start({ folder })];
    const { claims, accessToken } = await here.issue();
    expect(await here.verify(accessToken)).toEqual(['ok']);
    const stream = watch(here);
    await eventually(
      () => stream.batches.length,
      (n) => n === 1,
    );
    await there.sessions.endSession({ claims, sessionId: claims.sessionId });
    await eventually(
      () => here.verify(accessToken),
      ([v]) => v === 'SESSION_REVOKED',
      2000,
    );
    await eventually(
      () => stream.batches.flat(),
      (all) => all.includes(named(claims)),
      2000,
    );
    stream.stop();
    await stream.done;
  });

  test('by another instance while the store does not answer are told when it does, and until then that they are not seen', async () => {
    const folder = newFolder();
    const [here, there] = [await start({ folder }), await start({ folder })];
    const { claims } = await here.issue();
    const stream = watch(here);
    const { sessions } = here.accounts;
    const endedAfter = sessions.endedAfter.bind(sessions);
    sessions.endedAfter = () => Promise.reject(new CaasError('UNAVAILABLE', 'away'));
    await eventually(
      () => stream.blind.at(-1),
      (blind) => blind === true,
    );
    const first = watch(here);
    await eventually(
      () => first.blind.length,
      (n) => n > 0,
    );
    expect(first.blind[0]).toBe(true);
    await there.sessions.endSession({ claims, sessionId: claims.sessionId });
    sessions.endedAfter = endedAfter;
    await eventually(
      () => stream.blind.at(-1),
      (blind) => blind === false,
    );
    expect(stream.batches.flat()).toEqual([named(claims)]);
    expect(stream.blind[0]).toBe(false);
    for (const each of [stream, first]) {
      each.stop();
      await each.done;
    }
  });

  test('end with DRAINING when the service stops', async () => {
    const auth = await start();
    const stream = watch(auth);
    await eventually(
      () => stream.batches.length,
      (n) => n === 1,
    );
    await auth.stop();
    expect(await stream.done).toMatchObject({ retryable: true });
  });
});

describe('tenants', () => {
  const tenant = { tenantId: 'acme', name: 'Acme', limits: undefined, allowedOrigins: [] };

  test('are created once, with checked ids, limits and origins', async () => {
    const auth = await start();
    await auth.tenants.createTenant(tenant);
    await expect(auth.tenants.createTenant(tenant)).rejects.toMatchObject(reason('IDEMPOTENCY_CONFLICT'));
    const wrong: [string, object][] = [
      ['tenant_id', { tenantId: 'Acme' }],
      ['tenant_id', { tenantId: 'a.b' }],
      ['limits.max_text_bytes', { limits: { maxTextBytes: 0 } }],
      ['limits.max_members', { limits: { maxMembers: 100_001 } }],
      ['limits.max_text_bytes', { limits: { maxTextBytes: 16_385 } }],
      ['limits.max_reaction_kinds', { limits: { maxReactionKinds: 51 } }],
      ['allowed_origins', { allowedOrigins: ['https://a.test/path'] }],
      ['allowed_origins', { allowedOrigins: ['*'] }],
    ];
    for (const [field, over] of wrong) {
      await expect(auth.tenants.createTenant({ ...tenant, tenantId: 'b', ...over })).rejects.toMatchObject({
        ...reason('INVALID_ARGUMENT'),
        details: { field },
      });
    }
    await expect(auth.tenants.createApp({ tenantId: 'none', name: 'x' })).rejects.toMatchObject(reason('NOT_FOUND'));
  });

  test('have apps whose secret rotates with an overlap', async () => {
    const clock = new TestClock();
    const auth = await start({ clock });
    await auth.tenants.createTenant(tenant);
    const app = await auth.tenants.createApp({ tenantId: 'acme', name: 'web' });
    const next = await auth.tenants.rotateAppSecret({ appId: app.appId, overlapMs: 1000 });
    const works = (secret: string) =>
      auth.issue('ann', { appId: app.appId, appSecret: secret }).then(
        () => true,
        () => false,
      );
    expect([await works(app.appSecret), await works(next.appSecret)]).toEqual([true, true]);
    clock.move(1000);
    expect([await works(app.appSecret), await works(next.appSecret)]).toEqual([false, true]);
  });

  test('are for operators alone', async () => {
    const auth = await start();
    const logger = createLogger({ service: 'test', level: 'silent' });
    const options = { address: auth.address, auth: testServiceAuth, callerName: 'gateway', logger };
    const client = createGrpcClient(TenantServiceService, options);
    await expect(client.createTenant(tenant)).rejects.toMatchObject(reason('PERMISSION_DENIED'));
    client.close();
    await expect(auth.tokens.rotateKey({})).rejects.toMatchObject(reason('PERMISSION_DENIED'));
  });

  test('of development keep one app whose secret follows the one given', async () => {
    const auth = await start();
    const again = await auth.bootstrapDevelopment({ appSecret });
    expect(again).toEqual({ appId: auth.appId, appSecret });
    await auth.issue();
    const other = newSecret();
    await auth.bootstrapDevelopment({ appSecret: other });
    await expect(auth.issue()).rejects.toMatchObject(reason('UNAUTHENTICATED'));
    await auth.issue('ann', { appSecret: other });
  });
});

test('what is known of a user is told; closed they can’t come in, and erased nothing of them is left', async () => {
  const auth = await start();
  const a = await auth.issue('ann', { displayName: 'Ann', device: 'phone' });
  const { tenantId, userId } = a.claims;
  const user = { tenantId, userId };
  const told = await auth.personalData.getUserData({ ...user, afterSessionId: '' });
  expect(told).toMatchObject({
    user: { externalId: 'ann', displayName: 'Ann' },
    sessions: [{ sessionId: a.claims.sessionId, device: 'phone', endedAtMs: 0 }],
  });
  await expect(auth.personalData.eraseUser(user)).rejects.toMatchObject(reason('FAILED_PRECONDITION'));
  expect(await auth.personalData.closeUser(user)).toEqual({ found: true, ended: 1 });
  expect(await auth.personalData.closeUser(user)).toEqual({ found: true, ended: 0 });
  expect(await auth.verify(a.accessToken)).toEqual(['SESSION_REVOKED']);
  expect(await auth.personalData.eraseUser(user)).toEqual({ sessions: 1 });
  // The backend that goes on signing them in brings nothing back.
  await expect(auth.issue('ann', { displayName: 'Ann' })).rejects.toMatchObject(reason('USER_DEACTIVATED'));
  expect(await auth.personalData.getUserData({ ...user, afterSessionId: '' })).toMatchObject({
    user: { userId, externalId: '', displayName: '', deactivated: true },
    sessions: [],
  });
  const nobody = { tenantId, userId: 'nobody' };
  expect(await auth.personalData.closeUser(nobody)).toEqual({ found: false, ended: 0 });
  expect(await auth.personalData.eraseUser(nobody)).toEqual({ sessions: 0 });
  await expect(auth.personalData.getUserData({ ...nobody, afterSessionId: '' })).rejects.toMatchObject(
    reason('USER_NOT_FOUND'),
  );
});

test('a session that begins while its user is being closed is ended by who began it', async () => {
  const auth = await start();
  const { tenantId, userId } = (await auth.issue('ann')).claims;
  const sessions = auth.accounts.sessions as { create: typeof auth.accounts.sessions.create };
  const create = sessions.create.bind(sessions);
  sessions.create = async (session) => {
    // The user was looked at, and the session is not there yet.
    await auth.personalData.closeUser({ tenantId, userId });
    return create(session);
  };
  await expect(auth.issue('ann')).rejects.toMatchObject(reason('USER_DEACTIVATED'));
  const page = { tenantId, userId, nowMs: Date.now(), skip: 0, limit: 10 };
  expect(await auth.accounts.sessions.listLive(page)).toEqual([]);
});
