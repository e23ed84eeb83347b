import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { App, Session } from '@caas/account-store';
import { newId, newSecret } from '@caas/kit';
import { rootKeyFrom, rootKeyFromFile } from '@caas/kit/sealing';
import { afterAll, describe, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { type AccessClaims, audience, signAccessToken, verifyAccessToken } from './access-token.ts';
import { isSecretOf, newAppSecret, rotatedSecrets } from './app-secret.ts';
import { authConfig } from './config.ts';
import { Recent } from './recent.ts';
import { judgeRefresh, RefreshTokens } from './refresh-token.ts';
import { startAuth } from './testing.ts';

const folder = await mkdtemp(join(tmpdir(), 'auth-parts-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const nowMs = Date.UTC(2026, 0, 1);

/** Bits of the last letter of base64 are unused, and decoders do not look at them: another letter, the same bytes. */
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const nextLetter = (letter: string): string => letters[letters.indexOf(letter) + 1] as string;

describe('access tokens', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const stranger = generateKeyPairSync('ed25519');
  const claims: AccessClaims = {
    tenantId: 't',
    appId: 'a',
    userId: 'u',
    sessionId: 's',
    scopes: ['chat'],
    issuedAtMs: nowMs,
    expiresAtMs: nowMs + 900_000,
  };
  const by = { issuer: 'caas', keyId: 'k1', privateKey, tokenId: 'j' };
  const rules = {
    issuer: 'caas',
    nowMs,
    clockSkewMs: 60_000,
    keyOf: (keyId: string) => (keyId === 'k1' ? publicKey : undefined),
  };
  const verdict = (token: string, over: Partial<typeof rules> = {}) => {
    const result = verifyAccessToken(token, { ...rules, ...over });
    return result.ok ? 'ok' : result.reason;
  };
  const token = signAccessToken(claims, by);
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claimsPart = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const signed = (over: Record<string, unknown>, key = privateKey, head = {}) =>
    new SignJWT({ ...claimsPart, ...over }).setProtectedHeader({ alg: 'EdDSA', kid: 'k1', ...head }).sign(key);

  test('of our own are accepted and say what was put in', () => {
    expect(verifyAccessToken(token, rules)).toEqual({ ok: true, claims });
  });

  test('that another library signs with our key and claims are accepted too', async () => {
    expect(verdict(await signed({}))).toBe('ok');
  });

  test('are refused at the millisecond they expire', () => {
    expect(verdict(token, { nowMs: claims.expiresAtMs - 1 })).toBe('ok');
    expect(verdict(token, { nowMs: claims.expiresAtMs })).toBe('TOKEN_EXPIRED');
  });

  test('from the future are accepted within the skew and refused beyond it', () => {
    expect(verdict(token, { nowMs: nowMs - 60_000 })).toBe('ok');
    expect(verdict(token, { nowMs: nowMs - 61_000 })).toBe('UNAUTHENTICATED');
  });

  test('that are not ours in any part are refused', async () => {
    const hs = await new SignJWT(claimsPart)
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .sign(publicKey.export({ format: 'der', type: 'spki' }));
    const flipped = Buffer.from(signature, 'base64url');
    flipped[10] = (flipped[10] ?? 0) ^ 1;
    const bad: Record<string, string> = {
      empty: '',
      text: 'no token',
      dots: '..',
      'no signature': `${header}.${payload}.`,
      'four parts': `${token}.x`,
      'alg none': `${part({ alg: 'none', kid: 'k1' })}.${payload}.`,
      'alg none with our signature': `${part({ alg: 'none', kid: 'k1' })}.${payload}.${signature}`,
      'HS256 with our public key': hs,
      'unknown kid': await signed({}, privateKey, { kid: 'k2' }),
      'no kid': `${part({ alg: 'EdDSA' })}.${payload}.${signature}`,
      'header is null': `${part(null)}.${payload}.${signature}`,
      crit: `${part({ alg: 'EdDSA', kid: 'k1', crit: ['exp'] })}.${payload}.${signature}`,
      'a stranger’s key': await signed({}, stranger.privateKey),
      'another payload': `${header}.${part({ ...claimsPart, sub: 'admin' })}.${signature}`,
      'another signature': `${header}.${payload}.${flipped.toString('base64url')}`,
      'our signature, padded': `${token}==`,
      'our signature in plain base64': `${header}.${payload}.${Buffer.from(signature, 'base64url').toString('base64')}`,
      'our signature with other bits after its end': `${token.slice(0, -1)}${nextLetter(signature.at(-1) as string)}`,
      'other issuer': await signed({ iss: 'other' }),
      'other audience': await signed({ aud: 'other' }),
      'list of audiences': await signed({ aud: [audience, 'other'] }),
      'no tenant': await signed({ tid: undefined }),
      'number as subject': await signed({ sub: 5 as unknown as string }),
      'no expiry': await signed({ exp: undefined }),
      'fractional expiry': await signed({ exp: nowMs / 1000 + 0.5 }),
    };
    for (const [name, value] of Object.entries(bad)) expect([name, verdict(value)]).toEqual([name, 'UNAUTHENTICATED']);
  });

  test('with a wrong signature are refused as unauthenticated even when they say they expired', async () => {
    expect(verdict(await signed({ exp: 1 }, stranger.privateKey))).toBe('UNAUTHENTICATED');
  });
});

describe('refresh tokens', () => {
  const tokens = new RefreshTokens(new Uint8Array(32).fill(7));
  const name = { tenantId: 'acme', sessionId: newId(), generation: 3 };

  test('name what they were made for and stay within the limit of the contract', () => {
    expect(tokens.read(tokens.make(name))).toEqual(name);
    expect(tokens.make({ ...name, tenantId: 'x'.repeat(64), generation: 999_999_999 }).length).toBeLessThanOrEqual(256);
  });

  test('that were changed or made with another key are nobody’s', () => {
    const token = tokens.make(name);
    const others = [
      '',
      'x',
      token.replace('acme', 'acmf'),
      token.replace('.3.', '.4.'),
      token.replace('.3.', '.03.'),
      `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}x`,
      `${token.slice(0, -1)}${nextLetter(token.at(-1) as string)}`,
      new RefreshTokens(new Uint8Array(32)).make(name),
    ];
    for (const other of others) expect([other, tokens.read(other)]).toEqual([other, undefined]);
  });

  test('are judged by their place in the family', () => {
    const session = { generation: 5, refreshedAtMs: nowMs, expiresAtMs: nowMs + 1000 } as Session;
    const ended = { ...session, endedAtMs: nowMs };
    const judge = (s: Session | undefined, generation: number, afterMs = 0, refreshGraceMs = 0) =>
      judgeRefresh(s, generation, { nowMs: nowMs + afterMs, refreshGraceMs });
    expect(judge(session, 5)).toBe('ROTATE');
    expect(judge(session, 4)).toBe('REUSED');
    expect(judge(session, 1)).toBe('REUSED');
    expect(judge(session, 6)).toBe('UNKNOWN');
    expect(judge(undefined, 5)).toBe('UNKNOWN');
    expect(judge(ended, 5)).toBe('ENDED');
    expect(judge(session, 5, 1000)).toBe('EXPIRED');
    expect(judge(session, 4, 99, 100)).toBe('REPEAT');
    expect(judge(session, 4, 100, 100)).toBe('REUSED');
    expect(judge(session, 3, 0, 100)).toBe('REUSED');
  });
});

describe('app secrets', () => {
  const old = newAppSecret(nowMs);
  const next = newAppSecret(nowMs);
  const app = (secrets: App['secrets']) => ({ secrets }) as App;

  test('are stored as a hash and recognised', () => {
    expect(JSON.stringify(old.stored)).not.toContain(old.secret);
    expect(isSecretOf(app([old.stored]), old.secret, nowMs)).toBe(true);
    for (const [a, secret] of [
      [app([old.stored]), 'x'],
      [app([]), old.secret],
      [undefined, 'no secret'],
    ] as const) {
      expect(isSecretOf(a, secret, nowMs)).toBe(false);
    }
  });

  test('are both valid during a rotation’s overlap and the old one not after it', () => {
    const secrets = rotatedSecrets([old.stored], next.stored, { nowMs, overlapMs: 1000 });
    expect(isSecretOf(app(secrets), old.secret, nowMs + 999)).toBe(true);
    expect(isSecretOf(app(secrets), next.secret, nowMs + 999)).toBe(true);
    expect(isSecretOf(app(secrets), old.secret, nowMs + 1000)).toBe(false);
    expect(isSecretOf(app(secrets), next.secret, nowMs + 1e9)).toBe(true);
    expect(rotatedSecrets([old.stored], next.stored, { nowMs, overlapMs: 0 })).toEqual([next.stored]);
    // A second rotation in the overlap keeps two and never lengthens the life of an old one.
    const third = newAppSecret(nowMs);
    expect(rotatedSecrets(secrets, third.stored, { nowMs, overlapMs: 500 })).toHaveLength(2);
  });
});

describe('the root key', () => {
  test('opens what it sealed under the same name, and nothing else', () => {
    const key = rootKeyFrom(new Uint8Array(32).fill(1));
    const sealed = key.seal('a', Buffer.from('private'));
    expect(Buffer.from(sealed).toString()).not.toContain('private');
    expect(Buffer.from(key.open('a', sealed)).toString()).toBe('private');
    const changed = Uint8Array.from(sealed);
    changed[30] = (changed[30] ?? 0) ^ 1;
    const attempts = [
      () => key.open('b', sealed),
      () => key.open('a', changed),
      () => key.open('a', sealed.subarray(0, 5)),
      () => rootKeyFrom(new Uint8Array(32).fill(2)).open('a', sealed),
    ];
    for (const attempt of attempts) expect(attempt).toThrow('does not open');
    expect(key.derive('x')).toEqual(key.derive('x'));
    expect(key.derive('x')).not.toEqual(key.derive('y'));
  });

  test('is made once, for its owner alone, also when several start at once', async () => {
    const file = join(folder, 'keys', 'root.key');
    const keys = await Promise.all(Array.from({ length: 8 }, () => rootKeyFromFile(file)));
    const sealed = keys[0]?.seal('n', Buffer.from('x')) as Uint8Array;
    for (const key of keys) expect(Buffer.from(key.open('n', sealed)).toString()).toBe('x');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test('that others can read, or that is damaged, stops the start', async () => {
    const file = join(folder, 'open.key');
    await rootKeyFromFile(file);
    await chmod(file, 0o644);
    await expect(rootKeyFromFile(file)).rejects.toThrow('open to other users');
    await chmod(file, 0o600);
    await writeFile(file, (await readFile(file, 'utf8')).slice(0, 10));
    await expect(rootKeyFromFile(file)).rejects.toThrow('does not hold a root key');
  });
});

test('what is kept for a while goes after its time, when it is crowded out, and when the clock is set back', () => {
  const recent = new Recent<number>({ maxEntries: 2, ttlMs: 100 });
  recent.set('a', 1, nowMs);
  expect(recent.get('a', nowMs + 99)).toBe(1);
  expect(recent.get('a', nowMs + 100)).toBeUndefined();
  recent.set('b', 2, nowMs);
  recent.set('c', 3, nowMs);
  recent.get('b', nowMs);
  recent.set('d', 4, nowMs);
  expect([recent.get('b', nowMs), recent.get('c', nowMs), recent.get('d', nowMs)]).toEqual([2, undefined, 4]);
  expect(recent.get('d', nowMs - 1)).toBeUndefined();
});

test('settings that are wrong are told all at once', () => {
  expect(authConfig({}).refreshGraceMs).toBe(0);
  expect(authConfig({ AUTH_ACCESS_TOKEN_LIFETIME: '5m' }).accessTokenMs).toBe(300_000);
  const wrong = () => authConfig({ AUTH_GRPC_ADDRESS: 'nowhere', AUTH_MAX_LIVE_SESSIONS: '0' });
  expect(wrong).toThrow(/AUTH_GRPC_ADDRESS.*AUTH_MAX_LIVE_SESSIONS/s);
});

test('auth started alone makes the development app of a platform worthless', async () => {
  const own = join(folder, 'alone');
  const platforms = await startAuth({ folder: own });
  const { appId, appSecret } = await platforms.bootstrapDevelopment({ appSecret: newSecret() });
  const request = { appId, appSecret, userExternalId: 'eve', displayName: '', device: '', remoteAddress: '' };
  await platforms.tokens.issueUserToken(request);
  await platforms.stop();

  const main = spawn(process.execPath, ['-C', '@caas/source', join(import.meta.dirname, 'main.ts')], {
    env: {
      ...process.env,
      AUTH_GRPC_ADDRESS: '127.0.0.1:0',
      AUTH_DATABASE_FILE: join(own, 'accounts.db'),
      AUTH_LOG_FILE: join(own, 'log.db'),
      CAAS_AUDIT_DIR: join(own, 'audit'),
      AUTH_ROOT_KEY_FILE: join(own, 'keys', 'root.key'),
      CAAS_SERVICE_TOKEN: newSecret(),
      LOG_LEVEL: 'info',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(main, 'exit');
  for await (const line of createInterface({ input: main.stdout })) if (line.includes('auth listens')) main.kill();
  expect(await exited).toEqual([0, null]);

  const after = await startAuth({ folder: own });
  await expect(after.tokens.issueUserToken(request)).rejects.toMatchObject({ reason: 'UNAUTHENTICATED' });
  await after.stop();
});
