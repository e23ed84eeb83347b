import { CaasError } from '@caas/kit';
import { describe, expect, test } from '@jest/globals';
import { maxBodyBytes } from '../limits.ts';
import { issueTokenRequest } from '../schemas/auth.ts';
import { parsed } from './parsed.ts';

const filled = (entry: (i: number) => string, open = '{', close = '}'): string => {
  const entries: string[] = [];
  for (let i = 0, bytes = 2; ; i++) {
    bytes += entry(i).length + 1;
    if (bytes > maxBodyBytes) return `${open}${entries.join(',')}${close}`;
    entries.push(entry(i));
  }
};
const inField = (value: string): string => `{"app_id":${value}}`;

const nasty: Record<string, string> = {
  'many unknown fields': filled((i) => `"${i.toString(36)}":1`),
  'long unknown fields': filled((i) => `"${String(i).repeat(500)}":1`),
  'a list of numbers': filled(() => '1', '[', ']'),
  'a list in a field': inField(filled(() => '1', '[', ']')),
  'an object in a field': inField(filled((i) => `"k${i}":{}`)),
  'deep lists': inField(`${'['.repeat(30_000)}${']'.repeat(30_000)}`),
  'a long text': inField(`"${'x'.repeat(65_000)}"`),
  'a long text of control characters': inField(`"${'\\u0007'.repeat(10_000)}"`),
  'a long text of lone surrogates': inField(`"${'\\ud800'.repeat(10_000)}"`),
};

const leastMs = (work: () => unknown): number =>
  Math.min(
    ...Array.from({ length: 8 }, () => {
      const startedAt = performance.now();
      work();
      return performance.now() - startedAt;
    }),
  );

const refusal = (value: unknown): CaasError => {
  try {
    parsed(issueTokenRequest, value);
  } catch (error) {
    if (error instanceof CaasError) return error;
  }
  throw new Error('not refused');
};

describe('whatever a body holds', () => {
  const markMs = Math.max(...Object.values(nasty).map((text) => leastMs(() => JSON.parse(text))));

  test.each(Object.entries(nasty))('%s: refused for no more than it costs to parse, in a few words', (_, text) => {
    const value = JSON.parse(text);
    expect(leastMs(() => refusal(value))).toBeLessThan(2 * leastMs(() => JSON.parse(text)) + markMs);
    const { reason, message, details } = refusal(value);
    expect(reason).toBe('INVALID_ARGUMENT');
    expect(JSON.stringify([message, details]).length).toBeLessThan(3_000);
  });

  test('the first wrong fields are named, eight at most', () => {
    const unknown = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, 1]));
    const { details } = refusal({ app_secret: 's', user_external_id: 'u', app_id: 7, ...unknown });
    expect(details).toMatchObject({ field: 'app_id', 'problem.k0': 'unknown field' });
    expect(Object.keys(details).filter((name) => name.startsWith('problem.'))).toHaveLength(8);
  });
});
