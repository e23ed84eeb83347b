import { descriptors } from '@caas/proto/descriptor';
import { describe, expect, test } from '@jest/globals';
import { isSensitive } from './contract/options.ts';
import { CaasError } from './errors.ts';
import { createLogger } from './log.ts';

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

describe('what the contract marks as sensitive', () => {
  const sensitive = [...descriptors()].flatMap((entry) =>
    entry.kind === 'message' ? entry.fields.filter(isSensitive) : [],
  );

  test('covers credentials, texts and what tells who a user is', () => {
    const names = new Set(sensitive.map((field) => field.name));
    for (const name of ['access_token', 'refresh_token', 'app_secret', 'text', 'external_id', 'remote_address'])
      expect(names).toContain(name);
  });

  test('is written under none of its names, at any depth', () => {
    const { logger, written } = capture();
    for (const { name, jsonName } of sensitive) {
      logger.info({ [name]: 'canary', request: { [jsonName]: ['canary'], of: [{ [name]: { deep: 'canary' } }] } }, 'a');
      logger
        .child({ [jsonName]: 'canary' })
        .error({ err: new CaasError('INTERNAL', 'b', { details: { [name]: 'canary' } }) });
    }
    expect(written).toHaveLength(2 * sensitive.length);
    expect(written.join('')).not.toContain('canary');
  });
});
