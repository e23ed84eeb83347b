import { ErrorReason } from '@caas/proto/caas/common/v1/errors';
import { describe, expect, test } from '@jest/globals';
import {
  CaasError,
  fromWireError,
  reasonNumber,
  reasonOf,
  reasonTable,
  ruleOf,
  toCaasError,
  toWireError,
} from './errors.ts';
import { derivedId, newId } from './ids.ts';
import { isTraceparent, newTraceparent, traceIdOf, traceparentOr } from './trace.ts';

describe('the table of reasons', () => {
  test('has a whole rule for every reason of the enum', () => {
    const reasons = Object.keys(ErrorReason).filter((name) => !name.endsWith('_UNSPECIFIED'));
    expect([...reasonTable.keys()].map((reason) => `ERROR_REASON_${reason}`)).toEqual(reasons);
    for (const [reason, rule] of reasonTable) {
      expect({ reason, grpc: rule.grpc > 0 && rule.grpc <= 16 }).toEqual({ reason, grpc: true });
      expect({ reason, http: rule.http >= 400 && rule.http < 600 }).toEqual({ reason, http: true });
      // RFC 6455: an application may use 1000–1003, 1007–1014 and its own 4000–4999.
      const close =
        rule.close === 0 || (rule.close >= 1000 && rule.close <= 1014) || (rule.close >= 4000 && rule.close < 5000);
      expect({ reason, close }).toEqual({ reason, close: true });
      expect({ reason, meaning: rule.meaning.endsWith('.') }).toEqual({ reason, meaning: true });
      expect({ reason, hint: rule.retryable || rule.retryAfterMs === 0 }).toEqual({ reason, hint: true });
      expect(reasonOf(reasonNumber(reason))).toBe(reason);
    }
  });

  test('close codes of our own range tell reasons apart', () => {
    const own = [...reasonTable.values()].map(({ close }) => close).filter((close) => close >= 4000);
    expect(new Set(own).size).toBe(own.length);
  });

  test('a number of a newer version is read as INTERNAL', () => {
    expect(reasonOf(9_999)).toBe('INTERNAL');
    expect(reasonOf(0)).toBe('INTERNAL');
  });
});

describe('CaasError', () => {
  test('takes retryable and the hint from the table and survives the wire', () => {
    const error = new CaasError('RATE_LIMITED', 'slow down', { details: { limit: 'sends' }, retryAfterMs: 250 });
    expect(error.retryable).toBe(ruleOf('RATE_LIMITED').retryable);
    const back = fromWireError(toWireError(error, 'f'.repeat(32)));
    expect(back).toMatchObject({
      reason: 'RATE_LIMITED',
      message: 'slow down',
      details: { limit: 'sends' },
      retryAfterMs: 250,
    });
  });

  test('an unknown fault becomes INTERNAL and its text stays inside', () => {
    const fault = new Error('password is hunter2');
    const error = toCaasError(fault);
    expect(error).toMatchObject({ reason: 'INTERNAL', cause: fault });
    expect(JSON.stringify(toWireError(error, ''))).not.toMatch(/hunter2/);
  });
});

describe('trace context', () => {
  const id = 'a'.repeat(32);
  const span = 'b'.repeat(16);
  test.each([
    [`00-${id}-${span}-00`, true],
    [`00-${id}-${span}-01`, true],
    [`cc-${id}-${span}-01-extra`, true],
    [`cc-${id}-${span}-01.extra`, false],
    [`00-${id}-${span}-01-extra`, false],
    [`ff-${id}-${span}-01`, false],
    [`00-${id.toUpperCase()}-${span}-01`, false],
    [`00-${'0'.repeat(32)}-${span}-01`, false],
    [`00-${id}-${'0'.repeat(16)}-01`, false],
    [`00-${id}-${span}`, false],
    [` 00-${id}-${span}-01`, false],
    [`00-${id}-${span}-01, 00-${id}-${span}-01`, false],
    [`cc-${id}-${span}-01-${'x'.repeat(600)}`, false],
    ['', false],
  ])('%s is well formed: %s', (value, expected) => {
    expect(isTraceparent(value)).toBe(expected);
  });

  test('a bad header is replaced, a good one kept', () => {
    expect(isTraceparent(newTraceparent())).toBe(true);
    expect(isTraceparent(traceparentOr('junk'))).toBe(true);
    expect(traceIdOf(traceparentOr(`00-${id}-${span}-01`))).toBe(id);
  });
});

describe('ids', () => {
  test('are UUIDv7 and sort by time', () => {
    expect(newId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(newId(1_000) < newId(2_000)).toBe(true);
    expect(new Set(Array.from({ length: 1_000 }, () => newId())).size).toBe(1_000);
  });

  test('derived from parts are the same for the same parts and for no others', () => {
    expect(derivedId('message', 'a', 'b')).toBe(derivedId('message', 'a', 'b'));
    expect(derivedId('message', 'ab', '')).not.toBe(derivedId('message', 'a', 'b'));
    expect(derivedId('message', 'a', 'b')).toHaveLength(22);
  });
});
