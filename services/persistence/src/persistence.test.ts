import { DeadLetterHeader, deadLetterTopic, type EventLog, type NewRecord, positionOf, Topic } from '@caas/event-log';
import { interestKey, userNodesKey } from '@caas/key-value';
import { CaasError } from '@caas/kit';
import type { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { MessageDelivered, MessageRejected } from '@caas/proto/caas/events/v1/message_events';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ConversationEvent } from './apply/model.ts';
import { retryParked } from './index.ts';
import { aConversation, toRecord } from './testing/builders.ts';
import { Bench, hooked, unavailable, until } from './testing/harness.ts';

const open: Bench[] = [];
const aBench = async (): Promise<Bench> => {
  const bench = await Bench.open();
  open.push(bench);
  return bench;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((bench) => bench.close()));
});

type Conversation = ReturnType<typeof aConversation>;
const send = (bench: Bench, c: Conversation, ...events: ConversationEvent[]) =>
  bench.log.append(events.map((event) => toRecord(event, c)));
const headOf = async (bench: Bench, c: Conversation) => (await bench.store.conversations.getMany([c]))[0];
const lastSeqIs = (bench: Bench, c: Conversation, seq: number) =>
  until(async () => (await headOf(bench, c))?.lastSeq === seq);
const names = (n: number, prefix = 'm'): string[] => Array.from({ length: n }, (_, i) => `${prefix}${i}`);

/** Seeded, so that a failure can be run again. */
const random = (seed: number) => (): number => {
  // mulberry32
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

describe('what was accepted', () => {
  test('is stored once and in the order of the log: 10 conversations of 1,000 messages', async () => {
    const bench = await aBench();
    const worker = bench.start();
    const rooms = names(10, 'room-').map((id) => aConversation(id));
    await bench.log.append(rooms.map((c) => toRecord(c.created(['ann', 'bob']), c)));
    for (let i = 0; i < 1_000; i += 100)
      await Promise.all(rooms.map((c) => send(bench, c, ...names(100, `${i}-`).map((name) => c.sent(name)))));
    await Promise.all(rooms.map((c) => lastSeqIs(bench, c, 1_000)));
    const log = await bench.read(Topic.messageSent);
    for (const c of rooms) {
      const own = log.filter((record) => record.key === c.conversationId);
      const ids = own.map((record) => record.offset).sort((a, b) => a - b);
      const stored = await bench.checked(c.conversationId);
      expect(stored).toEqual(names(10).flatMap((_, i) => names(100, `${i * 100}-`).map((name) => c.messageId(name))));
      expect((await headOf(bench, c))?.lastPosition).toBe(positionOf(ids.at(-1) as number));
    }
    await until(async () => (await worker.stats()).lag === 0);
    expect(await worker.stats()).toMatchObject({ applied: 10_010, rejected: 0, deadLettered: 0 });
    // The notices of what was committed lie one behind the other, without a gap.
    const next = new Map<string, number>();
    for (const { value } of await bench.read(Topic.messageDelivered)) {
      const { conversationId, notice } = MessageDelivered.decode(value);
      if (notice?.$case !== 'persisted') continue;
      expect(notice.value.firstSeq).toBe(next.get(conversationId) ?? 1);
      next.set(conversationId, notice.value.lastSeq + 1);
    }
    expect([...next.values()]).toEqual(rooms.map(() => 1_001));
  });

  test('is stored once although every call of the store and the log fails now and then, before or after it took effect', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const chance = random(seed);
    const bench = await aBench();
    const flaky = hooked(bench.store, {
      before: () => {
        if (chance() < 0.04) throw unavailable();
      },
      after: () => {
        if (chance() < 0.04) throw unavailable();
      },
    });
    const rooms = names(3, 'room-').map((id) => aConversation(id));
    try {
      const worker = bench.start({ store: flaky, config: { maxBatchRecords: 40 } });
      await bench.log.append(rooms.map((c) => toRecord(c.created(['ann', 'bob', 'cyd']), c)));
      for (let i = 0; i < 6; i += 1)
        for (const c of rooms)
          await send(
            bench,
            c,
            ...names(20, `${i}-`).map((name) => c.sent(name)),
            c.sent(`${i}-3`),
            c.removed([i % 2 ? 'bob' : 'cyd']),
            c.added([i % 2 ? 'cyd' : 'bob', 'dan']),
            c.received('ann', 5 * i, 3 * i),
          );
      await Promise.all(rooms.map((c) => until(async () => (await headOf(bench, c))?.lastSeq === 120, 60_000)));
      await until(async () => (await worker.stats()).lag === 0, 60_000);
      for (const c of rooms) {
        const expected = names(6).flatMap((_, i) => names(20, `${i}-`).map((name) => c.messageId(name)));
        expect(await bench.checked(c.conversationId)).toEqual(expected);
        expect((await headOf(bench, c))?.memberCount).toBe(3);
      }
    } catch (thrown) {
      throw new Error(`seed ${seed}`, { cause: thrown });
    }
  }, 120_000);

  test.each(['messages.write', 'conversations.commit'])(
    'is stored once when the worker dies after %s',
    async (point) => {
      const bench = await aBench();
      const c = aConversation('c');
      await send(bench, c, c.created(['ann', 'bob']));
      const first = bench.start();
      await until(async () => (await headOf(bench, c))?.memberCount === 2);
      await first.stop();
      // Never comes back from the call: as dead as a thread of a process can be.
      let died = false;
      const dying = bench.start({
        store: hooked(bench.store, {
          after: (name) => {
            if (name !== point || died) return;
            died = true;
            return new Promise<void>(() => undefined);
          },
        }),
      });
      await send(bench, c, c.sent('a'), c.sent('b'));
      await until(() => died);
      await dying.stop();
      bench.start();
      await send(bench, c, c.sent('c'));
      await lastSeqIs(bench, c, 3);
      expect(await bench.checked('c')).toEqual(['a', 'b', 'c'].map((name) => c.messageId(name)));
      // The notice of a and b was not sent by the worker that died, and is sent all the same.
      const told = new Set<number>();
      await until(async () => {
        for (const { value } of await bench.read(Topic.messageDelivered)) {
          const { notice } = MessageDelivered.decode(value);
          if (notice?.$case !== 'persisted' || notice.value.firstSeq === 0) continue;
          for (let seq = notice.value.firstSeq; seq <= notice.value.lastSeq; seq += 1) told.add(seq);
        }
        return [1, 2, 3].every((seq) => told.has(seq));
      });
    },
  );

  test('is told again and not parked when more of it than one call of the store takes comes again', async () => {
    const bench = await aBench();
    const c = aConversation('c');
    await send(bench, c, c.created(['ann', 'bob']), ...names(1_500).map((name) => c.sent(name)));
    let failed = 0;
    const log: EventLog = {
      append: async (records) => {
        // After the commit, so that the very same records come again.
        if (records[0]?.topic === Topic.messageDelivered && failed++ === 0) throw unavailable();
        return bench.log.append(records);
      },
      subscribe: (...args) => bench.log.subscribe(...args),
      tail: (...args) => bench.log.tail(...args),
      read: (...args) => bench.log.read(...args),
      bounds: (...args) => bench.log.bounds(...args),
      close: async () => undefined,
    };
    const worker = bench.start({ log, config: { maxBatchRecords: 3_000 } });
    await until(async () => (await worker.stats()).lag === 0);
    expect(await bench.checked('c')).toHaveLength(1_500);
    expect([failed, (await worker.stats()).parked]).toEqual([2, 0]);
  });

  test('waits in the log while the store is away, and is applied when it is back', async () => {
    const bench = await aBench();
    let away = true;
    const c = aConversation('c');
    const store = hooked(bench.store, {
      before: () => {
        if (away) throw unavailable();
      },
    });
    const worker = bench.start({ store });
    await send(bench, c, c.created(['ann', 'bob']));
    await send(bench, c, ...names(300).map((name) => c.sent(name)));
    await until(async () => (await worker.stats()).lag >= 301);
    expect(await headOf(bench, c)).toBeUndefined();
    away = false;
    await lastSeqIs(bench, c, 300);
    expect(await bench.checked('c')).toHaveLength(300);
    expect((await worker.stats()).deadLettered).toBe(0);
  });
});

describe('a sender', () => {
  test('who sends again is not told anything new; other content under the same id is rejected on log and node', async () => {
    const bench = await aBench();
    const entries = await bench.listen('node-1');
    const c = aConversation('c');
    bench.start();
    await send(bench, c, c.created(['ann', 'bob']));
    await until(async () => (await headOf(bench, c)) !== undefined);
    await send(bench, c, c.sent('a', 'hello'), c.sent('a', 'hello'));
    await send(bench, c, c.sent('a', 'other'), c.sent('b'));
    await lastSeqIs(bench, c, 2);
    const rejected = (await bench.read(Topic.messageRejected)).map(({ value }) => MessageRejected.decode(value));
    expect(rejected).toMatchObject([
      { messageId: c.messageId('a'), clientMsgId: 'a', senderId: 'ann', position: 3, reason: 16 },
    ]);
    expect(rejected[0]?.traceId).toMatch(/^[0-9a-f]{32}$/);
    await until(() => entries.some((entry) => entry.$case === 'rejected'));
    const [first] = await bench.store.messages.getMany([{ ...c, messageId: c.messageId('a') }]);
    expect(first?.content?.body).toMatchObject({ value: { text: 'hello' } });
  });

  test('to a conversation that is not there is told so', async () => {
    const bench = await aBench();
    bench.start();
    const c = aConversation('nowhere');
    await send(bench, c, c.sent('a'));
    await until(async () => (await bench.read(Topic.messageRejected)).length === 1);
    expect(await headOf(bench, c)).toBeUndefined();
  });
});

describe('nodes', () => {
  test('that are interested, accepted a message or have a new member get one head with what changed', async () => {
    const bench = await aBench();
    const [interested, accepting, members] = [
      await bench.listen('n-int'),
      await bench.listen('node-1'),
      await bench.listen('n-dan'),
    ];
    const c = aConversation('c');
    bench.start();
    await send(bench, c, c.created(['ann', 'bob']), c.sent('a'));
    // The news of the creation has left by then, so that it is not told to who becomes interested now.
    await until(() => accepting.length > 0);
    await bench.keyValue.addToSets([{ key: interestKey('t1', 'c'), member: 'n-int/s' }], 60_000);
    await bench.keyValue.addToSets([{ key: userNodesKey('t1', 'dan'), member: 'n-dan/s' }], 60_000);
    await send(bench, c, c.edited('a', 'b'));
    await until(() => interested.length === 1);
    const head = await headOf(bench, c);
    expect(interested[0]).toMatchObject({
      $case: 'head',
      value: {
        conversationId: 'c',
        headRev: head?.headRev,
        lastSeq: 1,
        lastPosition: 1,
        digest: head?.digest,
        changesOmitted: false,
      },
    });
    const [notice] = interested as unknown as {
      value: { changes: { document: { value: MessageDocument } }[]; applied: object; prevHeadRev: number };
    }[];
    expect(notice?.value.changes.map((change) => change.document)).toMatchObject([
      { $case: 'message', value: { editCount: 1 } },
    ]);
    expect(Object.keys(notice?.value.applied ?? {})).toHaveLength(1);
    expect(notice?.value.prevHeadRev).toBe((head?.headRev ?? 0) - 1);
    expect(accepting.length).toBeGreaterThan(0);
    await send(bench, c, c.added(['dan']));
    await until(() => members.length === 1);
    // What changes nothing is told too: somebody waits for its record to be applied.
    await send(bench, c, c.added(['dan']));
    await until(() => interested.length === 3);
  });

  test('that can’t be reached hold nothing up', async () => {
    const bench = await aBench();
    await bench.inbox.close();
    await bench.keyValue.close();
    const c = aConversation('c');
    const worker = bench.start();
    await send(bench, c, c.created(['ann', 'bob']), c.sent('a'));
    await lastSeqIs(bench, c, 1);
    await until(async () => (await worker.stats()).noticesDropped > 0);
  });
});

describe('what can’t be applied', () => {
  test('is put aside with its reason and position when it is unreadable, and everything else goes on', async () => {
    const bench = await aBench();
    const c = aConversation('c');
    const worker = bench.start();
    await send(bench, c, c.created(['ann', 'bob']));
    const good = toRecord(c.sent('a'), c);
    const bad: NewRecord[] = [
      { ...good, value: Buffer.from([0xff, 0xff, 0xff]) },
      { ...good, headers: { 'tenant-id': 't2' } },
      { ...good, headers: {} },
      { ...good, key: 'another' },
      toRecord(c.sent('x', 'x', 'not an id'), c),
      { ...toRecord(c.created([]), c), topic: Topic.userAction, value: new Uint8Array(0) },
      { ...good, value: Buffer.from([0xff]), headers: { 'tenant-id': 'x'.repeat(16_000) } },
    ];
    await bench.log.append([...bad, good]);
    await lastSeqIs(bench, c, 1);
    await until(async () => (await worker.stats()).lag === 0);
    const letters = await bench.read(deadLetterTopic(Topic.messageSent));
    expect(letters).toHaveLength(6);
    for (const { headers } of letters) {
      expect(headers).toMatchObject({ [DeadLetterHeader.kind]: 'poison', [DeadLetterHeader.topic]: Topic.messageSent });
      expect(headers[DeadLetterHeader.reason]).toBeTruthy();
      expect(Number(headers[DeadLetterHeader.offset])).toBeGreaterThanOrEqual(0);
    }
    expect(await bench.read(deadLetterTopic(Topic.userAction))).toHaveLength(1);
    expect(await worker.stats()).toMatchObject({ deadLettered: 7, parked: 0 });
  });

  test('parks its conversation alone, also for later workers, until an operator sends it again', async () => {
    const bench = await aBench();
    const [bad, good] = [aConversation('bad'), aConversation('good')];
    let broken = true;
    const store = hooked(bench.store, {
      before: (name, [documents]) => {
        if (name !== 'messages.write' || !broken) return;
        if ((documents as MessageDocument[]).some((d) => d.conversationId === 'bad'))
          throw new CaasError('INTERNAL', 'too large');
      },
    });
    const first = bench.start({ store });
    await send(bench, bad, bad.created(['ann', 'bob']));
    await send(bench, good, good.created(['ann', 'bob']));
    await until(async () => (await headOf(bench, bad)) !== undefined && (await headOf(bench, good)) !== undefined);
    await bench.log.append([
      toRecord(bad.sent('a'), bad),
      toRecord(good.sent('a'), good),
      toRecord(bad.sent('b'), bad),
    ]);
    await lastSeqIs(bench, good, 1);
    await until(async () => (await first.stats()).parked === 1);
    await first.stop();

    broken = false;
    const second = bench.start({ store });
    await send(bench, bad, bad.sent('c'));
    await send(bench, good, good.sent('b'));
    await lastSeqIs(bench, good, 2);
    await until(async () => (await bench.read(deadLetterTopic(Topic.messageSent))).length === 3);
    expect(await second.stats()).toMatchObject({ parked: 1 });
    expect((await headOf(bench, bad))?.lastSeq).toBe(0);

    expect(await retryParked(bench.log, 't1', 'bad')).toBe(3);
    await lastSeqIs(bench, bad, 3);
    await send(bench, bad, bad.sent('d'));
    await lastSeqIs(bench, bad, 4);
    expect(await bench.checked('bad')).toEqual(['a', 'b', 'c', 'd'].map((name) => bad.messageId(name)));
    expect(await retryParked(bench.log, 't1', 'bad')).toBe(0);
    expect(await second.stats()).toMatchObject({ parked: 0 });
  });
});
