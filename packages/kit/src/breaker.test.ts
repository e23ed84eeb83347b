import { expect, test } from '@jest/globals';
import { breaker } from './breaker.ts';
import { CaasError } from './errors.ts';

const away = () => Promise.reject(new CaasError('UNAVAILABLE', 'away'));

test('a service that does not answer is left alone for a while, then tried by one call', async () => {
  const guard = breaker('search', { failures: 3, openMs: 50 });
  let calls = 0;
  const failing = () => {
    calls += 1;
    return away();
  };
  for (let i = 0; i < 3; i++) await expect(guard(failing)).rejects.toThrow('away');
  await expect(guard(failing)).rejects.toMatchObject({ reason: 'UNAVAILABLE', message: /left alone/ });
  expect(calls).toBe(3);
  const endMs = Date.now() + 2_000;
  while (calls < 4 && Date.now() < endMs) await guard(failing).catch(() => undefined);
  expect(calls).toBe(4);
  await expect(guard(failing)).rejects.toThrow(/left alone/);
  for (;;) {
    const answer = await guard(async () => 'back').catch(() => undefined);
    if (answer === 'back') break;
    expect(Date.now()).toBeLessThan(endMs);
  }
  expect(await guard(async () => 'again')).toBe('again');
});

test('a refusal is an answer', async () => {
  const guard = breaker('search', { failures: 1, openMs: 60_000 });
  const refused = () => Promise.reject(new CaasError('INVALID_ARGUMENT', 'no'));
  for (let i = 0; i < 3; i++) await expect(guard(refused)).rejects.toThrow('no');
  expect(await guard(async () => 1)).toBe(1);
});
