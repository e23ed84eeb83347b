/** The suite every EventLog adapter passes. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { groupContract } from './contract/groups.ts';
import { aRecord, eventually, reasonOf, textOf } from './contract/harness.ts';
import type { EventLog, LogRecord } from './port.ts';
import { allTopics, Topic, topics } from './topics.ts';

export interface OpenLog {
  log: EventLog;
  /** Closes the log and opens it again on the same data. */
  reopen(changes?: { stallMs?: number }): Promise<EventLog>;
  /** Closes whatever is open and removes the data. */
  close(): Promise<void>;
}

/**
 * Declares the tests. `open` gives an empty log with every topic of the table (an engine that outlives the test gives a
 * prefix of its own). Nothing here expects gapless offsets or an instant join: it polls with deadlines.
 */
export const eventLogContract = (name: string, open: () => Promise<OpenLog>): void => {
  describe(`${name} is an event log`, () => {
    let opened: OpenLog;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(() => opened.close());
    appendContract(() => opened);
    tailContract(() => opened);
    groupContract(() => opened);
  });
};

/** Every record of a partition, read in pages. */
const readAll = async (log: EventLog, topic: string, partition: number): Promise<LogRecord[]> => {
  const records: LogRecord[] = [];
  const { first, next } = await log.bounds(topic, partition);
  for (let at = first; at < next; ) {
    const page = await log.read(topic, partition, at, 100);
    if (page.length === 0) break;
    records.push(...page);
    at = (page.at(-1) as LogRecord).offset + 1;
  }
  return records;
};

const appendContract = (opened: () => OpenLog): void => {
  describe('append and read', () => {
    test('gives each record a position, in order within its partition, and reads back what was written', async () => {
      const { log } = opened();
      const first = { ...aRecord('conv-a', 'one ✓'), headers: { 'tenant-id': 't1', traceparent: '00-ab-cd-01' } };
      const positions = await log.append([first, aRecord('conv-a', ''), aRecord('conv-ü', 'three')]);
      expect(positions).toHaveLength(3);
      expect(positions[1]?.partition).toBe(positions[0]?.partition);
      expect(positions[1]?.offset).toBeGreaterThan(positions[0]?.offset as number);
      const [record] = await log.read(
        first.topic,
        positions[0]?.partition as number,
        positions[0]?.offset as number,
        1,
      );
      expect(record).toMatchObject({ ...first, ...positions[0], value: expect.anything() });
      expect(textOf(record as LogRecord)).toBe('one ✓');
      expect(Math.abs(Date.now() - (record?.appendedAtMs ?? 0))).toBeLessThan(60_000);
      const last = await log.read(first.topic, positions[2]?.partition as number, positions[2]?.offset as number, 1);
      expect(last[0]).toMatchObject({ key: 'conv-ü', headers: {} });
      expect(await log.append([])).toEqual([]);
    });

    test('keeps the order of one caller within a partition, over concurrent appends', async () => {
      const { log } = opened();
      const texts = Array.from({ length: 500 }, (_, i) => `m${i}`);
      const positions = await Promise.all(texts.map((text) => log.append([aRecord('conv-order', text)])));
      const partition = positions[0]?.[0]?.partition as number;
      expect((await readAll(log, Topic.messageSent, partition)).map(textOf)).toEqual(texts);
    });

    test('sends equal keys of topics to partitions that are equal modulo the shard count', async () => {
      const { log } = opened();
      for (let i = 0; i < 20; i += 1) {
        const [sent, edited] = await log.append([
          aRecord(`conv-${i}`, 'x', Topic.messageSent),
          aRecord(`conv-${i}`, 'x', Topic.messageEdited),
        ]);
        expect((sent?.partition as number) % 3).toBe((edited?.partition as number) % 3);
      }
    });

    test('still has every acknowledged record after it was closed and opened again, and goes on after the last', async () => {
      const { log, reopen } = opened();
      const before = await log.append(Array.from({ length: 100 }, (_, i) => aRecord('conv-kept', `m${i}`)));
      const again = await reopen();
      const partition = before[0]?.partition as number;
      expect((await readAll(again, Topic.messageSent, partition)).map(textOf)).toEqual(before.map((_, i) => `m${i}`));
      const [after] = await again.append([aRecord('conv-kept', 'next')]);
      expect(after?.offset).toBeGreaterThan(before.at(-1)?.offset as number);
    });

    test('has every topic of the table and a dead-letter topic of one partition for each', async () => {
      const { log } = opened();
      expect(allTopics).toHaveLength(topics.length * 2);
      for (const topic of allTopics) {
        expect(await log.bounds(topic.name, topic.partitions - 1)).toEqual({ first: 0, next: 0 });
        expect(await reasonOf(log.bounds(topic.name, topic.partitions))).toBe('INVALID_ARGUMENT');
      }
      expect(await log.append([aRecord('conv-a', 'bad', 'message.sent.dlq')])).toMatchObject([{ partition: 0 }]);
    });

    test('says the bounds of a partition', async () => {
      const { log } = opened();
      const positions = await log.append([aRecord('conv-b', '1'), aRecord('conv-b', '2')]);
      const { first, next } = await log.bounds(Topic.messageSent, positions[0]?.partition as number);
      expect(first).toBeLessThanOrEqual(positions[0]?.offset as number);
      expect(next).toBeGreaterThan(positions[1]?.offset as number);
      expect(await log.read(Topic.messageSent, positions[0]?.partition as number, next, 10)).toEqual([]);
    });

    test('refuses what it cannot take, and nothing of such a call is written', async () => {
      const { log } = opened();
      const good = aRecord('conv-c', 'good');
      const partition = (await log.append([good]))[0]?.partition as number;
      const { next } = await log.bounds(good.topic, partition);
      const tooLarge = { ...good, value: new Uint8Array(1024 * 1024 + 1) };
      const wrong = [{ ...good, topic: 'no.such' }, tooLarge, { ...good, key: 'k'.repeat(20_000) }];
      for (const record of wrong) expect(await reasonOf(log.append([good, record]))).toBe('INVALID_ARGUMENT');
      expect(await log.bounds(good.topic, partition)).toMatchObject({ next });
      await log.append([{ ...good, value: new Uint8Array(1024 * 1024) }]);
    });

    test('closes after pending appends are durable and then refuses', async () => {
      const { log, reopen } = opened();
      const pending = log.append([aRecord('conv-d', 'last')]);
      await Promise.all([log.close(), log.close()]);
      const [position] = await pending;
      expect(await reasonOf(log.append([aRecord('conv-d', 'late')]))).toBe('DRAINING');
      const again = await reopen();
      const found = await again.read(Topic.messageSent, position?.partition as number, position?.offset as number, 1);
      expect(found.map(textOf)).toEqual(['last']);
    });
  });
};

const tailContract = (opened: () => OpenLog): void => {
  describe('tail', () => {
    test('hears every record of its topics that is appended after it began, in order, and nothing after its close', async () => {
      const { log } = opened();
      await log.append([aRecord('conv-t', 'before')]);
      const heard: string[] = [];
      const tail = log.tail([Topic.messageSent], (records) => heard.push(...records.map(textOf)));
      // An engine may take a while to stand at the end: what is heard once is heard from there on.
      await eventually(async () => {
        await log.append([aRecord('conv-t', 'ping')]);
        expect(heard).toContain('ping');
      });
      expect(heard).not.toContain('before');
      const texts = Array.from({ length: 50 }, (_, i) => `t${i}`);
      await log.append([...texts.map((text) => aRecord('conv-t', text)), aRecord('conv-t', 'other', Topic.userAction)]);
      await eventually(() => expect(heard.filter((text) => text !== 'ping')).toEqual(texts));
      expect(await tail.lag()).toBe(0);
      await tail.close();
      const count = heard.length;
      await log.append([aRecord('conv-t', 'late')]);
      expect(heard).toHaveLength(count);
    });

    test('goes on when its handler throws', async () => {
      const { log } = opened();
      let calls = 0;
      log.tail([Topic.auditLog], () => {
        calls += 1;
        throw new Error('handler failed');
      });
      await eventually(async () => {
        await log.append([aRecord('t1', 'x', Topic.auditLog)]);
        expect(calls).toBeGreaterThan(2);
      });
    });
  });
};
