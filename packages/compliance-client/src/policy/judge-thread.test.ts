import { ContentPolicy } from '@caas/proto/caas/compliance/v1/policy_service';
import { afterEach, expect, test } from '@jest/globals';
import { aPolicy, aRule, patterns } from '../testing/a-policy.ts';
import { JudgeThread, maxWaitingOfTenant } from './judge-thread.ts';

/** Each of its places is looked at to the end of the text: minutes for `long`. */
const policy = ContentPolicy.encode(aPolicy(aRule(patterns('a(.*b)?')))).finish();
const job = (text: string) => ({ name: 'a policy', policy, text, asReviewer: false });
const [short, long] = [job('a'), job('a'.repeat(200_000))];

let thread: JudgeThread | undefined;
afterEach(() => thread?.close());

test('tenants take turns, and a text that waited for others has all of its time', async () => {
  thread = new JudgeThread({ maxMs: 500, maxWaitMs: 60_000 });
  const judge = thread.judge.bind(thread);
  const order: string[] = [];
  const noted = async (tenantId: string, of: typeof long): Promise<void> => {
    const judged = await judge(tenantId, of);
    order.push(`${tenantId}: ${judged?.kind}`);
  };
  const busy = [noted('busy', long), noted('busy', long), noted('busy', long), noted('busy', short)];
  await Promise.all([noted('other', long), noted('third', short), ...busy.slice(0, 2)]);
  expect(order).toEqual(['busy: undefined', 'other: undefined', 'third: mask', 'busy: undefined']);
  await Promise.all(busy);
  expect(order.slice(4)).toEqual(['busy: undefined', 'busy: mask']);
}, 60_000);

test('a tenant that has as many waiting as it may gets no verdict for one more, and others do', async () => {
  thread = new JudgeThread({ maxMs: 500, maxWaitMs: 60_000 });
  void thread.judge('busy', long);
  const waiting = Array.from({ length: maxWaitingOfTenant }, () => thread?.judge('busy', short));
  expect(await thread.judge('busy', short)).toBeUndefined();
  expect(await thread.judge('other', short)).toMatchObject({ kind: 'mask' });
  expect(new Set((await Promise.all(waiting)).map((judged) => judged?.kind))).toEqual(new Set(['mask']));
}, 60_000);

test('a text that has waited too long has no verdict, and the one that is judged goes on', async () => {
  thread = new JudgeThread({ maxMs: 1_500, maxWaitMs: 100 });
  expect(await thread.judge('a', short)).toMatchObject({ kind: 'mask' });
  let isOver = false;
  const first = thread.judge('a', long).then(() => {
    isOver = true;
  });
  expect(await thread.judge('b', short)).toBeUndefined();
  expect(isOver).toBe(false);
  await first;
  expect(await thread.judge('b', short)).toMatchObject({ kind: 'mask' });
}, 60_000);
