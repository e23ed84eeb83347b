import { expect, jest, test } from '@jest/globals';
import { aPolicy, aRule, links, patterns, words } from '../testing/a-policy.ts';
import { compilePolicy, compilePolicyBeside, type Evaluator } from './index.ts';

/** The least of some runs, in milliseconds. */
const leastMs = (run: () => void): number =>
  Math.min(
    ...Array.from({ length: 4 }, () => {
      const begun = performance.now();
      run();
      return performance.now() - begun;
    }),
  );
const unbounded = { maxSteps: Number.POSITIVE_INFINITY };

test('what blows up engines that try ways one by one takes time linear in the text', () => {
  const evaluator = compilePolicy(
    aPolicy(aRule(patterns('(a+)+$', '(a|aa)+$', '([a-z]+)*\\d$', '(x+x+)+y'), 'reject')),
  );
  const msOf = (length: number): number => {
    const text = `${'a'.repeat(length / 2)}${'x'.repeat(length / 2)}!`;
    return leastMs(() => expect(evaluator.judge(text, unbounded)).toEqual({ kind: 'allow' }));
  };
  msOf(1_000);
  const [short, long] = [msOf(2_000), msOf(16_000)];
  // Eight times the text: a square would be 64 times, and those that try all ways never end.
  expect(long).toBeLessThan(Math.max(short, 0.2) * 30);
});

test.each(['flag', 'mask'] as const)(
  'words that lie in each other are left to a thread, and to %s them is no work for each rule',
  (action) => {
    const list = Array.from({ length: 42 }, (_, i) => 'a '.repeat(i + 1).trim());
    const [one, many] = [1, 24].map((rules) =>
      compilePolicy(
        aPolicy(...Array.from({ length: rules }, (_, i) => aRule(words(...list), action, { ruleId: `${i}` }))),
      ),
    ) as [Evaluator, Evaluator];
    const text = 'a '.repeat(8_192);
    expect(many.judge(text)).toBe('heavy');
    expect(many.judge('a a a')).toMatchObject({ kind: action });
    expect(many.judge(text, unbounded)).toMatchObject({
      kind: action,
      ...(action === 'mask' && { text: `${'*'.repeat(16_383)} ` }),
    });
    // 24 times the matches.
    expect(leastMs(() => many.judge(text, unbounded))).toBeLessThan(6 * leastMs(() => one.judge(text, unbounded)));
  },
);

test('rules for links and personal data count for what is left to a thread', () => {
  const rules = Array.from({ length: 100 }, (_, i) => aRule(links(['shop.example']), 'flag', { ruleId: `${i}` }));
  expect(compilePolicy(aPolicy(...rules)).judge('a.co '.repeat(100))).toBe('heavy');
  expect(compilePolicy(aPolicy(...rules.slice(1, 3))).judge('a.co '.repeat(100))).toMatchObject({ kind: 'flag' });
});

test('a sign that stands for many letters counts as them', () => {
  const evaluator = compilePolicy(aPolicy(aRule(links(['shop.example']), 'flag')));
  expect(evaluator.judge('é'.repeat(1_000))).toEqual({ kind: 'allow' });
  expect(evaluator.judge('ﷺ'.repeat(1_000))).toBe('heavy');
});

test('masking looks for the characters of a text once', () => {
  const segment = jest.spyOn(Intl.Segmenter.prototype, 'segment');
  const evaluator = compilePolicy(aPolicy(aRule(words('e'))));
  expect(evaluator.judge('é e\u0301 e ')).toMatchObject({ text: '* * * ' });
  expect(segment).toHaveBeenCalledTimes(1);
  segment.mockRestore();
});

test('a mask of many places in a long text is left to a thread', () => {
  const evaluator = compilePolicy(aPolicy(aRule(patterns('a'))));
  expect(evaluator.judge('a'.repeat(100))).toMatchObject({ kind: 'mask', text: '*'.repeat(100) });
  expect(evaluator.judge('a'.repeat(5_000))).toBe('heavy');
  expect(evaluator.judge('a'.repeat(5_000), { maxSteps: Number.POSITIVE_INFINITY })).toMatchObject({
    kind: 'mask',
  });
});

test('the largest list of words is compiled beside other work, in bounded memory', async () => {
  const list = Array.from({ length: 10_000 }, (_, i) => `${i}`.padEnd(128, 'abcdefghijklmnopqrstuvwxyz'.slice(i % 20)));
  let turns = 0;
  const count = (): void => {
    turns++;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  const evaluator = await compilePolicyBeside(aPolicy(aRule(words(...list), 'reject')));
  clearImmediate(next);
  expect(evaluator.judge(`so ${list[9_999]} it is`)).toMatchObject({ kind: 'reject' });
  expect(evaluator.judge(`so ${list[9_999]}y it is`)).toMatchObject({ kind: 'allow' });
  expect(evaluator.bytes).toBeLessThan(96 * 1024 * 1024);
  // A busy machine stretches each step, so they are counted: in one piece it would be one.
  expect(turns).toBeGreaterThan(50);
}, 60_000);
