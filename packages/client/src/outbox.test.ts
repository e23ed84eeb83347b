import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { backoffMs } from './backoff.ts';
import { Emitter } from './emitter.ts';
import { CaasClientError, type Reason } from './errors.ts';
import { type ClientLimits, defaultLimits } from './limits.ts';
import { newClientMsgId, Outbox } from './outbox.ts';
import type { OutboxRecord, OutboxStorage } from './ports.ts';
import { FakeClock, settled } from './testing/fake-clock.ts';

const refusal = (reason: Reason, retryable: boolean, retryAfterMs = 0) =>
  new CaasClientError(reason, 'refused', { retryable, retryAfterMs });
const text = (words: string) =>
  ({ verb: 'sendMessage', content: { text: words }, replyToMessageId: '', threadRootId: '' }) as const;

/** An outbox whose node answers as the test says, in turn; without a word left it accepts. */
const anOutbox = (options: { limits?: Partial<ClientLimits>; storage?: OutboxStorage } = {}) => {
  const clock = new FakeClock();
  const answers: (CaasClientError | 'accept')[] = [];
  const sends: { id: string; retry: boolean; at: number }[] = [];
  const accepted: string[] = [];
  const failed: string[] = [];
  const node = { online: true };
  const outbox = new Outbox({
    limits: { ...defaultLimits, ...options.limits },
    clock,
    random: () => 0.5,
    storage: options.storage,
    isOnline: () => node.online,
    send: async (record, retry) => {
      sends.push({ id: record.clientMsgId, retry, at: clock.now() });
      await Promise.resolve();
      const answer = answers.shift() ?? 'accept';
      if (answer !== 'accept') throw answer;
      return { messageId: `m-${record.clientMsgId}`, position: sends.length, traceId: '', acceptedAtMs: 0 };
    },
    onAccepted: (record) => accepted.push(record.clientMsgId),
    onFailed: (record) => failed.push(record.clientMsgId),
    onChange: () => {},
  });
  return { clock, answers, sends, accepted, failed, node, outbox };
};

describe('the outbox', () => {
  test('sends a conversation in order whatever is refused for a while', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.constantFrom<Reason | 'accept'>(
            'RATE_LIMITED',
            'OVERLOADED',
            'UNAVAILABLE',
            'DEADLINE_EXCEEDED',
            'accept',
          ),
          { maxLength: 30 },
        ),
        fc.array(fc.constantFrom('c1', 'c2'), { minLength: 1, maxLength: 12 }),
        async (script, conversations) => {
          const { clock, answers, accepted, outbox } = anOutbox();
          answers.push(...script.map((s) => (s === 'accept' ? s : refusal(s, true, 100))));
          const all = conversations.map((conversationId, i) =>
            outbox.add(conversationId, `${conversationId}-${i}`, text('hi')),
          );
          await clock.pass(3_600_000);
          await Promise.all(all);
          for (const c of ['c1', 'c2']) {
            const sent = accepted.filter((id) => id.startsWith(c));
            expect(sent).toEqual(
              conversations.flatMap((conversationId, i) => (conversationId === c ? [`${c}-${i}`] : [])),
            );
          }
          expect(outbox.size).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('says that it is a retry once an answer may have been lost, not after a plain refusal', async () => {
    const { clock, answers, sends, outbox } = anOutbox();
    answers.push(refusal('RATE_LIMITED', true, 1_000), refusal('DEADLINE_EXCEEDED', true), refusal('OVERLOADED', true));
    const sent = outbox.add('c1', 'a', text('hi'));
    await clock.pass(60_000);
    await sent;
    expect(sends.map((s) => s.retry)).toEqual([false, false, true, true]);
    expect((sends[1]?.at ?? 0) - (sends[0]?.at ?? 0)).toBeGreaterThanOrEqual(1_000);
  });

  test('lets no conversation send while the rate of the user is used up', async () => {
    const { clock, answers, sends, outbox } = anOutbox();
    answers.push(refusal('RATE_LIMITED', true, 5_000));
    const first = outbox.add('c1', 'a', text('hi'));
    await settled();
    await settled();
    const second = outbox.add('c2', 'b', text('hi'));
    await clock.pass(4_900);
    expect(sends.map((s) => s.id)).toEqual(['a']);
    await clock.pass(1_000);
    await Promise.all([first, second]);
  });

  test('rejects a message refused for good and goes on with the next', async () => {
    const { answers, accepted, failed, outbox } = anOutbox();
    answers.push(refusal('CONTENT_REJECTED', false));
    const refused = outbox.add('c1', 'a', text('bad'));
    const next = outbox.add('c1', 'b', text('good'));
    await expect(refused).rejects.toMatchObject({ reason: 'CONTENT_REJECTED' });
    expect(await next).toMatchObject({ clientMsgId: 'b', messageId: 'm-b' });
    expect([accepted, failed]).toEqual([['b'], ['a']]);
  });

  test('waits while offline and sends in order when the connection is back', async () => {
    const { clock, node, accepted, outbox } = anOutbox();
    node.online = false;
    const all = ['a', 'b', 'c'].map((id) => outbox.add('c1', id, text('hi')));
    await clock.pass(60_000);
    expect(accepted).toEqual([]);
    node.online = true;
    outbox.flush();
    await Promise.all(all);
    expect(accepted).toEqual(['a', 'b', 'c']);
  });

  test('is bounded in messages and bytes', async () => {
    const few = anOutbox({ limits: { maxOutboxMessages: 1 } });
    few.node.online = false;
    few.outbox.add('c1', 'a', text('hi')).catch(() => {});
    await expect(few.outbox.add('c1', 'b', text('hi'))).rejects.toMatchObject({
      reason: 'LIMIT_EXCEEDED',
      details: { limit: 'maxOutboxMessages' },
    });
    const small = anOutbox({ limits: { maxOutboxBytes: 300 } });
    await expect(small.outbox.add('c1', 'a', text('é'.repeat(200)))).rejects.toMatchObject({
      details: { limit: 'maxOutboxBytes' },
    });
  });

  test('gives up what could not be sent for too long', async () => {
    const { clock, node, outbox } = anOutbox({ limits: { maxSendAgeMs: 1_000 } });
    node.online = false;
    const sent = outbox.add('c1', 'a', text('hi'));
    const outcome = expect(sent).rejects.toMatchObject({ reason: 'DEADLINE_EXCEEDED' });
    await clock.pass(2_000);
    node.online = true;
    outbox.flush();
    await outcome;
    expect(outbox.size).toBe(0);
  });

  test('sends only what the storage has, keeps it until accepted, and takes it up again as a retry', async () => {
    const kept = new Map<string, OutboxRecord>();
    const gates: (() => void)[] = [];
    const storage: OutboxStorage = {
      load: async () => [...kept.values()].reverse(),
      put: (record) => new Promise((resolve) => gates.push(() => resolve(void kept.set(record.clientMsgId, record)))),
      remove: async (id) => void kept.delete(id),
    };
    const first = anOutbox({ storage });
    const all = ['a', 'b'].map((id) => first.outbox.add('c1', id, text('hi')));
    for (const sent of all) sent.catch(() => {});
    await settled();
    expect(first.sends).toEqual([]);
    first.node.online = false;
    for (const open of gates) open();
    await settled();
    first.outbox.close(new CaasClientError('CLIENT_CLOSED', 'closed'));
    await expect(all[0]).rejects.toMatchObject({ reason: 'CLIENT_CLOSED' });

    const second = anOutbox({ storage });
    await second.outbox.restore();
    await second.clock.pass(1_000);
    await settled();
    expect(second.sends.map(({ id, retry }) => ({ id, retry }))).toEqual([
      { id: 'a', retry: true },
      { id: 'b', retry: true },
    ]);
    await settled();
    expect(kept.size).toBe(0);
  });

  test('refuses a message the storage does not take', async () => {
    const storage: OutboxStorage = {
      load: async () => [],
      put: async () => Promise.reject(new Error('disk full')),
      remove: async () => {},
    };
    const { sends, outbox } = anOutbox({ storage });
    await expect(outbox.add('c1', 'a', text('hi'))).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    expect([sends.length, outbox.size]).toEqual([0, 0]);
  });
});

test('ids of messages are 128 random bits', () => {
  const ids = new Set(Array.from({ length: 1_000 }, newClientMsgId));
  expect(ids.size).toBe(1_000);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
});

test('a backoff stays between the floor and the floor plus the doubling ceiling', () => {
  fc.assert(
    fc.property(
      fc.nat(1_000),
      fc.nat(10_000),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (attempt, floorMs, random) => {
        const waitMs = backoffMs(attempt, floorMs, { baseMs: 200, capMs: 15_000 }, () => random);
        expect(waitMs).toBeGreaterThanOrEqual(floorMs);
        expect(waitMs).toBeLessThanOrEqual(floorMs + Math.min(15_000, 200 * 2 ** attempt));
      },
    ),
  );
});

describe('an emitter', () => {
  test('calls listeners in order until they are taken off, once-listeners once', () => {
    const emitter = new Emitter<{ tick: number }>();
    const heard: string[] = [];
    const off = emitter.on('tick', (n) => heard.push(`a${n}`));
    emitter.once('tick', (n) => heard.push(`b${n}`));
    emitter.emit('tick', 1);
    off();
    emitter.emit('tick', 2);
    expect(heard).toEqual(['a1', 'b1']);
  });
});
