import { describe, expect, test } from '@jest/globals';
import type { OpenLog } from '../contract.ts';
import type { LogRecord, ShardHandler } from '../port.ts';
import { partitionName, Topic } from '../topics.ts';
import { aGate, aGroup, aRecord, eventually, RecordingMember, reasonOf, textOf } from './harness.ts';

const texts = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const sorted = (values: Iterable<string | number>): (string | number)[] => [...values].sort();

/** What consumers of a group may rely on. */
export const groupContract = (opened: () => OpenLog): void => {
  describe('consumer groups', () => {
    test('one member gets every record once, in order within each key, after its shard was assigned', async () => {
      const { log } = opened();
      const keys = texts('conv-', 10);
      await log.append(keys.flatMap((key) => texts('a', 20).map((text) => aRecord(key, text))));
      const member = new RecordingMember().join(log, { maxBatchRecords: 7 });
      await log.append(keys.flatMap((key) => texts('b', 20).map((text) => aRecord(key, text))));
      await eventually(() => expect(member.seen).toHaveLength(400));
      for (const key of keys) {
        const own = member.seen.filter((record) => record.key === key).map(textOf);
        expect(own).toEqual([...texts('a', 20), ...texts('b', 20)]);
      }
      for (const shard of [0, 1, 2])
        expect(member.events.find((event) => event.endsWith(` ${shard}`))).toBe(`assigned ${shard}`);
    });

    test('a shard owns the partitions equal modulo the shard count of all topics; batches keep to their size', async () => {
      const { log } = opened();
      const topics = [Topic.messageSent, Topic.messageEdited, Topic.userAction];
      const batches: { shard: number; records: readonly LogRecord[] }[] = [];
      const member = new RecordingMember(async (shard, records) => {
        batches.push({ shard, records });
      });
      member.join(log, { topics, maxBatchRecords: 5 });
      await log.append(topics.flatMap((topic) => texts('conv-', 30).map((key) => aRecord(key, 'x', topic))));
      await eventually(() => expect(member.seen).toHaveLength(90));
      for (const { shard, records } of batches) {
        expect(records.length).toBeLessThanOrEqual(5);
        for (const record of records) expect(record.partition % 3).toBe(shard);
      }
    });

    test('batches of a shard come one after the other, those of different shards at the same time', async () => {
      const { log } = opened();
      const gate = aGate();
      const running = new Set<number>();
      const member = new RecordingMember(async (shard) => {
        expect(running.has(shard)).toBe(false);
        running.add(shard);
        await gate.opened;
        running.delete(shard);
      }).join(log, { maxBatchRecords: 1 });
      await log.append(texts('conv-', 30).map((key) => aRecord(key, 'x')));
      await eventually(() => expect(running.size).toBe(3));
      gate.open();
      await eventually(() => expect(member.seen).toHaveLength(30));
    });

    test('gathered topics wait for company after a batch, and not once another topic or a full batch is there', async () => {
      const { log } = opened();
      const sizes: number[] = [];
      const member = new RecordingMember(async (_, records) => void sizes.push(records.length));
      const topics = [Topic.messageSent, Topic.conversationUpdated];
      member.join(log, { topics, maxBatchRecords: 50, gather: { topics: [Topic.messageSent], ms: 60_000 } });
      await log.append([aRecord('conv', 'first')]);
      await eventually(() => expect(sizes).toEqual([1]));
      for (const text of texts('a', 20)) await log.append([aRecord('conv', text)]);
      expect(sizes).toEqual([1]);
      await log.append([aRecord('conv', 'urgent', Topic.conversationUpdated)]);
      await eventually(() => expect(sizes).toEqual([1, 21]));
      await log.append(texts('b', 49).map((text) => aRecord('conv', text)));
      expect(sizes).toEqual([1, 21]);
      await log.append([aRecord('conv', 'full')]);
      await eventually(() => expect(sizes).toEqual([1, 21, 50]));
    });

    test('what was gathered comes when its time is up', async () => {
      const { log } = opened();
      const member = new RecordingMember().join(log, { gather: { topics: [Topic.messageSent], ms: 30 } });
      await log.append([aRecord('conv', 'first')]);
      await eventually(() => expect(member.texts).toEqual(['first']));
      await log.append([aRecord('conv', 'second')]);
      await eventually(() => expect(member.texts).toEqual(['first', 'second']));
    });

    test('a group goes on after what it committed, also on a log opened again; lag says what is left', async () => {
      const { log, reopen } = opened();
      await log.append(texts('a', 30).map((text) => aRecord(text, text)));
      const first = new RecordingMember().join(log);
      await eventually(async () => expect(await first.subscription?.lag()).toBe(0));
      await first.subscription?.close();
      await log.append(texts('b', 30).map((text) => aRecord(text, text)));
      const again = await reopen();
      const second = new RecordingMember().join(again);
      await eventually(() => expect(sorted(second.texts)).toEqual(sorted(texts('b', 30))));
      expect(sorted(first.texts)).toEqual(sorted(texts('a', 30)));
      const other = new RecordingMember(() => new Promise(() => undefined)).join(again, { group: 'others' });
      await eventually(async () => expect(await other.subscription?.lag()).toBe(60));
    });

    test('who gets a shard is told with which record its batches begin, in each of its partitions', async () => {
      const { log } = opened();
      const topics = [Topic.messageSent, Topic.userAction];
      const of = (member: RecordingMember): Record<string, number> => Object.fromEntries(member.began);
      const bounds = async (end: 'first' | 'next'): Promise<Record<string, number>> => {
        const found: Record<string, number> = {};
        for (const topic of topics)
          for (let partition = 0; partition < (topic === Topic.messageSent ? 6 : 3); partition += 1)
            found[partitionName(topic, partition)] = (await log.bounds(topic, partition))[end];
        return found;
      };
      await log.append(topics.flatMap((topic) => texts('a', 30).map((key) => aRecord(key, 'x', topic))));
      const first = new RecordingMember().join(log, { topics });
      await eventually(() => expect(first.seen).toHaveLength(60));
      expect(of(first)).toEqual(await bounds('first'));
      await eventually(async () => expect(await first.subscription?.lag()).toBe(0));
      await first.subscription?.close();
      const ends = await bounds('next');
      await log.append(topics.flatMap((topic) => texts('b', 30).map((key) => aRecord(key, 'x', topic))));
      const second = new RecordingMember().join(log, { topics });
      await eventually(() => expect(second.seen).toHaveLength(60));
      expect(of(second)).toEqual(ends);
    });

    test('a member that is still taking a shard over is told to stop when it leaves, and another gets all of it', async () => {
      const { log } = opened();
      await log.append(texts('m', 30).map((text) => aRecord(text, text)));
      const signals: AbortSignal[] = [];
      const slow: ShardHandler = {
        assigned: (_shard, _offsets, signal) => {
          signals.push(signal);
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
        batch: async () => undefined,
        revoked: async () => undefined,
      };
      const subscription = log.subscribe(aGroup(), slow);
      await eventually(() => expect(signals).toHaveLength(3));
      expect(signals.some((signal) => signal.aborted)).toBe(false);
      await subscription.close();
      expect(signals.every((signal) => signal.aborted)).toBe(true);
      const next = new RecordingMember().join(log);
      await eventually(() => expect(sorted(next.texts)).toEqual(sorted(texts('m', 30))));
    });

    test('groups do not disturb each other, and one that starts at the latest record gets only what comes after', async () => {
      const { log } = opened();
      await log.append([aRecord('conv-a', 'before')]);
      const earliest = new RecordingMember().join(log, { group: 'all' });
      const latest = new RecordingMember().join(log, { group: 'new', from: 'latest' });
      await eventually(async () => {
        await log.append([aRecord('conv-a', 'ping')]);
        expect(latest.texts).toContain('ping');
      });
      await log.append([aRecord('conv-a', 'after')]);
      await eventually(() => expect(latest.texts).toContain('after'));
      await eventually(() => expect(earliest.texts).toContain('after'));
      expect(latest.texts).not.toContain('before');
      expect(earliest.texts[0]).toBe('before');
    });

    test('a rejected batch is delivered again, the same records first, and nothing after it overtakes', async () => {
      const { log } = opened();
      let rejections = 2;
      const attempts: string[][] = [];
      const member = new RecordingMember(async (_shard, records) => {
        attempts.push(records.map(textOf));
        if (rejections-- > 0) throw new Error('not now');
      }).join(log);
      await log.append(texts('m', 5).map((text) => aRecord('conv-r', text)));
      await eventually(() => expect(member.seen.length).toBeGreaterThanOrEqual(5));
      await log.append([aRecord('conv-r', 'later')]);
      await eventually(() => expect(member.texts).toEqual([...texts('m', 5), 'later']));
      expect(attempts[1]?.[0]).toBe('m0');
      expect(attempts[2]?.[0]).toBe('m0');
      await eventually(async () => expect(await member.subscription?.lag()).toBe(0));
    });

    test('two members share the shards; when one leaves the other has them all and nothing is missed', async () => {
      const { log } = opened();
      const first = new RecordingMember().join(log);
      await eventually(() => expect(first.owned.size).toBe(3));
      const second = new RecordingMember().join(log);
      await eventually(() => expect(sorted([...first.owned, ...second.owned])).toEqual([0, 1, 2]));
      await eventually(() => expect(second.owned.size).toBeGreaterThan(0));
      await log.append(texts('a', 60).map((text) => aRecord(text, text)));
      await eventually(() =>
        expect(sorted(new Set([...first.texts, ...second.texts]))).toEqual(sorted(texts('a', 60))),
      );
      expect(second.seen.length).toBeGreaterThan(0);
      await first.subscription?.close();
      expect(first.owned.size).toBe(0);
      await eventually(() => expect(second.owned.size).toBe(3));
      await log.append(texts('b', 60).map((text) => aRecord(text, text)));
      await eventually(() => expect(second.texts).toEqual(expect.arrayContaining(texts('b', 60))));
      expect(first.texts).not.toContain('b0');
    });

    test('two members that leave at once leave nothing behind: the third has every shard, and they get no more', async () => {
      const { log } = opened();
      const leavers = [new RecordingMember().join(log), new RecordingMember().join(log)];
      const heir = new RecordingMember().join(log);
      await eventually(() => {
        for (const member of [...leavers, heir]) expect(member.owned.size).toBe(1);
      });
      await Promise.all(leavers.map((member) => member.subscription?.close()));
      for (const member of leavers) expect(member.owned.size).toBe(0);
      await log.append(texts('m', 60).map((text) => aRecord(text, text)));
      await eventually(() => expect(sorted(heir.texts)).toEqual(sorted(texts('m', 60))));
      for (const member of leavers) expect(member.seen).toEqual([]);
    });

    test('close waits for the batch in flight, and that counts', async () => {
      const { log } = opened();
      const gate = aGate();
      const first = new RecordingMember(() => gate.opened).join(log);
      await log.append([aRecord('conv-a', 'one')]);
      await eventually(() => expect(first.signals).toHaveLength(1));
      let closed = false;
      const closing = first.subscription?.close().then(() => {
        closed = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      expect(closed).toBe(false);
      gate.open();
      await closing;
      expect(first.texts).toEqual(['one']);
      const second = new RecordingMember().join(log);
      await log.append([aRecord('conv-a', 'two')]);
      await eventually(() => expect(second.texts).toEqual(['two']));
    });

    test('a handler that never answers does not keep its shard after close, and commits nothing when it wakes late', async () => {
      const { log } = opened();
      const gate = aGate();
      const zombie = new RecordingMember(() => gate.opened).join(log);
      await log.append([aRecord('conv-z', 'one'), aRecord('conv-z', 'two')]);
      await eventually(() => expect(zombie.signals.length).toBeGreaterThan(0));
      await zombie.subscription?.close();
      expect(zombie.signals.every((signal) => signal.aborted)).toBe(true);
      const hold = aGate();
      const heir = new RecordingMember(() => hold.opened).join(log);
      await eventually(() => expect(heir.signals.length).toBeGreaterThan(0));
      gate.open();
      await eventually(() => expect(zombie.seen.length).toBeGreaterThan(0));
      expect(await heir.subscription?.lag()).toBe(2);
      hold.open();
      await eventually(() => expect(heir.texts).toEqual(['one', 'two']));
      await eventually(async () => expect(await heir.subscription?.lag()).toBe(0));
    });

    test('a consumer that takes nothing while records wait is stalled, until it takes some', async () => {
      const log = await opened().reopen({ stallMs: 400 });
      const gate = aGate();
      const { subscription } = new RecordingMember(() => gate.opened).join(log);
      expect(subscription?.stalled()).toBe(false);
      await log.append([aRecord('conv-s', 'one')]);
      await eventually(() => expect(subscription?.stalled()).toBe(true));
      gate.open();
      await eventually(() => expect(subscription?.stalled()).toBe(false));
      await eventually(async () => expect(await subscription?.lag()).toBe(0));
      expect(subscription?.stalled()).toBe(false);
    });

    test('a member that takes its time to take its shards over is not stalled, and is left to it', async () => {
      const log = await opened().reopen({ stallMs: 400 });
      await log.append(texts('m', 30).map((text) => aRecord(text, text)));
      const gate = aGate();
      const assigned: number[] = [];
      const slow = new RecordingMember();
      slow.assigned = async (shard) => {
        assigned.push(shard);
        await gate.opened;
      };
      slow.join(log, { group: 'slow' });
      await eventually(() => expect(sorted(assigned)).toEqual([0, 1, 2]));
      const stuck = new RecordingMember(() => new Promise(() => undefined)).join(log, { group: 'stuck' });
      await eventually(() => expect(stuck.subscription?.stalled()).toBe(true));
      expect(slow.subscription?.stalled()).toBe(false);
      gate.open();
      await eventually(() => expect(slow.seen).toHaveLength(30));
      expect(sorted(assigned)).toEqual([0, 1, 2]);
    });

    test('a shard that moves voids the batch in flight: its signal fires, its success does not count', async () => {
      const { log } = opened();
      const gate = aGate();
      const slow = new RecordingMember(() => gate.opened).join(log);
      await log.append(texts('conv-', 30).map((key) => aRecord(key, key)));
      await eventually(() => expect(new Set(slow.events.filter((e) => e.startsWith('batch'))).size).toBe(3));
      const other = new RecordingMember().join(log);
      await eventually(() => expect(slow.signals.some((signal) => signal.aborted)).toBe(true));
      gate.open();
      await eventually(() => expect(other.owned.size).toBeGreaterThan(0));
      await eventually(async () => expect(await other.subscription?.lag()).toBe(0));
      for (const shard of other.owned) {
        const moved = slow.seen.filter((record) => record.partition % 3 === shard).map(textOf);
        expect(other.texts).toEqual(expect.arrayContaining(moved));
      }
      expect(other.seen.length).toBeGreaterThan(0);
    });

    test('refuses a group it cannot serve', async () => {
      const { log } = opened();
      const member = new RecordingMember();
      const wrong = [{ topics: ['no.such'] }, { shards: 4 }, { shards: 0 }, { group: '' }, { maxBatchRecords: 0 }];
      for (const changes of wrong)
        expect(await reasonOf(() => log.subscribe(aGroup(changes), member))).toBe('INVALID_ARGUMENT');
    });
  });
};
