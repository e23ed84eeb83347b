import { describe, expect, test } from '@jest/globals';
import { CaasError } from './errors.ts';
import { createLogger, loggable } from './log.ts';

const capture = () => {
  const written: string[] = [];
  const logger = createLogger({
    service: 'gateway',
    destination: { write: (line: string) => void written.push(line) },
  });
  return { logger, written, last: () => JSON.parse(written.at(-1) ?? '{}') as Record<string, unknown> };
};

describe('the logger', () => {
  test('writes one line of JSON with level, time, service and message', () => {
    const { logger, written, last } = capture();
    logger.info({ trace_id: 'abc' }, 'hello\nworld');
    expect(written).toHaveLength(1);
    expect(written[0]?.indexOf('\n')).toBe((written[0]?.length ?? 0) - 1);
    expect(last()).toMatchObject({ level: 'info', service: 'gateway', trace_id: 'abc', msg: 'hello\nworld' });
    expect(new Date(String(last()['time'])).getTime()).toBeGreaterThan(0);
  });

  test('leaves out credentials and text wherever they stand, and keeps counts of them', () => {
    const { logger, written, last } = capture();
    const secret = 'hunter2';
    logger.child({ app_secret: secret }).warn(
      {
        accessToken: secret,
        refresh_token: secret,
        headers: { authorization: `Bearer ${secret}`, cookie: secret },
        list: [{ deep: { password: secret, text: secret } }],
        redis: `rediss://socket:${secret}@redis-socket:6380`,
        note: `sent Bearer ${secret} along`,
        bytes: Buffer.from(secret),
        tokens: 3,
      },
      'refused',
    );
    expect(written.join('')).not.toMatch(/hunter2/);
    expect(last()).toMatchObject({ tokens: 3, redis: 'rediss://[redacted]@redis-socket:6380', bytes: '<7 bytes>' });
  });

  test('writes an error with its reason, stack and causes but not its other properties', () => {
    const { logger, last } = capture();
    const cause = Object.assign(new Error('connect redis://u:hunter2@h failed'), {
      config: 'hunter2',
      code: 'ECONNREFUSED',
    });
    logger.error(
      { err: new CaasError('UNAVAILABLE', 'no store', { details: { store: 'messages' }, cause }) },
      'failed',
    );
    expect(last()['err']).toMatchObject({
      type: 'CaasError',
      reason: 'UNAVAILABLE',
      details: { store: 'messages' },
      cause: { message: 'connect redis://[redacted]@h failed', code: 'ECONNREFUSED' },
    });
    logger.error(cause);
    expect(JSON.stringify(last())).not.toMatch(/hunter2/);
    expect(last()['err']).toMatchObject({ type: 'Error' });
  });

  test('does not fail on what refers to itself', () => {
    const { logger, last } = capture();
    const knot: Record<string, unknown> = { name: 'knot' };
    knot['self'] = knot;
    logger.info({ knot }, 'tied');
    expect(last()['msg']).toBe('tied');
  });
});

describe('loggable', () => {
  test('drops what the proto marks as personal or secret, in nested messages too', () => {
    const request = {
      appId: 'app-1',
      appSecret: 'hunter2',
      userExternalId: 'jane@example.com',
      displayName: 'Jane',
      device: 'phone',
      remoteAddress: '10.0.0.1',
    };
    expect(loggable('caas.auth.v1.IssueUserTokenRequest', request)).toEqual({ app_id: 'app-1' });
    const response = {
      tokens: { accessToken: 'hunter2', refreshToken: 'hunter3', expiresAtMs: 5, refreshExpiresAtMs: 6 },
      claims: { tenantId: 't', appId: 'a', userId: 'u', sessionId: 's', scopes: ['chat'], expiresAtMs: 5 },
    };
    expect(loggable('caas.auth.v1.IssueUserTokenResponse', response)).toEqual({
      tokens: { expires_at_ms: 5, refresh_expires_at_ms: 6 },
      claims: { tenant_id: 't', app_id: 'a', user_id: 'u', session_id: 's', scopes: ['chat'], expires_at_ms: 5 },
    });
    expect(response.tokens.accessToken).toBe('hunter2');
  });

  test('follows oneofs', () => {
    const refused = { verdicts: [{ verdict: { $case: 'refused', value: 7 } }, { verdict: undefined }] };
    expect(loggable('caas.auth.v1.VerifyTokensResponse', refused)).toEqual({ verdicts: [{ refused: 7 }, {}] });
  });

  test('says nothing of a type the contract does not know', () => {
    expect(loggable('caas.nowhere.v1.Thing', { secret: 'hunter2' })).toEqual({});
  });
});
