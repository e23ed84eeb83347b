import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { CaasError } from '@caas/kit';
import { openSqliteHost, type SqliteHost } from '@caas/sqlite';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { balance } from './balance.ts';
import { aGate, aRecord, eventually, RecordingMember, reasonOf, textOf } from './contract/harness.ts';
import { eventLogContract } from './contract.ts';
import {
  allTopics,
  murmur2,
  openSqliteEventLog,
  partitionAmong,
  partitionOf,
  type SqliteEventLogOptions,
  Topic,
  topics,
} from './index.ts';
import { SlotTable } from './slots.ts';
import { SqliteEventLog } from './sqlite-event-log.ts';
import type { LogThread } from './sqlite-event-log-worker.ts';

const folder = mkdtempSync(join(tmpdir(), 'caas-event-log-'));
let files = 0;
const aFile = (): string => join(folder, `${++files}.db`);
const opened: SqliteEventLog[] = [];
const openLog = async (options: Partial<SqliteEventLogOptions> = {}): Promise<SqliteEventLog> => {
  const log = await openSqliteEventLog({ file: aFile(), closeGraceMs: 200, onFault: () => undefined, ...options });
  opened.push(log);
  return log;
};
afterEach(async () => {
  await Promise.all(opened.splice(0).map((log) => log.close()));
});
afterAll(() => rmSync(folder, { recursive: true }));

const openForContract = (options: Partial<SqliteEventLogOptions>) => async () => {
  const file = aFile();
  let log = await openLog({ file, ...options });
  return {
    log,
    reopen: async (changes: { stallMs?: number } = {}) => {
      await log.close();
      log = await openLog({ file, ...options, ...changes });
      return log;
    },
    close: () => log.close(),
  };
};
eventLogContract('SQLite', openForContract({}));
eventLogContract('SQLite without room in memory', openForContract({ tailBytes: 0 }));

describe('SQLite event log', () => {
  test('has every record it acknowledged after its process was killed', async () => {
    const file = aFile();
    const acked = new Set<string>();
    for (let life = 0; life < 2; life += 1) {
      const child: ChildProcess = spawn(
        process.execPath,
        ['-C', '@caas/source', join(import.meta.dirname, 'testing/appender.ts'), file],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      const exited = once(child, 'exit');
      const goal = acked.size + 2_000;
      for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
        // The last line may have been cut by the kill.
        if (line.endsWith(']')) acked.add(line);
        if (acked.size === goal) child.kill('SIGKILL');
      }
      expect(await exited).toEqual([null, 'SIGKILL']);
    }
    const log = await openLog({ file });
    const kept = new Map<string, string>();
    for (const { name, partitions } of topics.filter((topic) => topic.name === Topic.messageSent)) {
      for (let partition = 0; partition < partitions; partition += 1) {
        const { next } = await log.bounds(name, partition);
        for (let at = 0; at < next; ) {
          const records = await log.read(name, partition, at, 5_000);
          for (const record of records) kept.set(textOf(record), `${record.partition} ${record.offset}`);
          at += records.length;
        }
      }
    }
    for (const line of acked) {
      const [text, partition, offset] = JSON.parse(line) as [string, number, number];
      expect(kept.get(text)).toBe(`${partition} ${offset}`);
    }
    expect(acked.size).toBeGreaterThanOrEqual(4_000);
  });

  test('answers UNAVAILABLE when the disk is full, delivers nothing of it, and takes appends again later', async () => {
    const file = aFile();
    const log = await openLog({ file, maxPages: 40 });
    const heard: string[] = [];
    log.tail([Topic.messageSent], (records) => heard.push(...records.map(textOf)));
    await log.append([aRecord('conv-a', 'first')]);
    const large = { ...aRecord('conv-a', ''), value: new Uint8Array(300_000) };
    expect(await reasonOf(log.append([large]))).toBe('UNAVAILABLE');
    expect(await reasonOf(log.append([large]))).toBe('UNAVAILABLE');
    const [second] = await log.append([aRecord('conv-a', 'second')]);
    expect(second?.offset).toBe(1);
    await eventually(() => expect(heard).toEqual(['first', 'second']));
  });

  test('an append that was written although its answer came too late is delivered like any other', async () => {
    const host = await openSqliteHost<LogThread>({
      file: aFile(),
      module: new URL('./sqlite-event-log-worker.ts', import.meta.url),
      options: { topics: allTopics },
    });
    let late = true;
    const lateOnce = {
      ...host,
      close: () => host.close(),
      call: (async (method: 'append', args: never, transfer) => {
        const result = await host.call(method, args, transfer);
        if (method !== 'append' || !late) return result;
        late = false;
        throw new CaasError('DEADLINE_EXCEEDED', 'the database did not answer in time');
      }) as SqliteHost<LogThread>['call'],
    };
    const slots = new SlotTable(await host.call('layout', undefined));
    const log = new SqliteEventLog(lateOnce, slots, { file: '', topics: allTopics });
    opened.push(log);
    const heard: string[] = [];
    log.tail([Topic.messageSent], (records) => heard.push(...records.map(textOf)));
    const member = new RecordingMember().join(log);
    expect(await reasonOf(log.append([aRecord('conv-a', 'one'), aRecord('conv-a', 'two')]))).toBe('DEADLINE_EXCEEDED');
    const [position] = await log.append([aRecord('conv-a', 'three')]);
    expect(position?.offset).toBe(2);
    await eventually(() => expect(heard).toEqual(['one', 'two', 'three']));
    await eventually(() => expect(member.texts).toEqual(['one', 'two', 'three']));
  });

  test('answers OVERLOADED when more than maxPendingBytes wait, and takes appends when they are written', async () => {
    const log = await openLog({ maxPendingBytes: 10_000 });
    const calls = Array.from({ length: 20 }, () =>
      log.append([{ ...aRecord('conv-a', ''), value: new Uint8Array(1_000) }]),
    );
    const reasons = await Promise.all(calls.map(reasonOf));
    expect(new Set(reasons)).toEqual(new Set(['none', 'OVERLOADED']));
    await log.append([aRecord('conv-a', 'again')]);
  });

  test('deletes what is past its retention, keeps the offsets, and groups go on with what is kept', async () => {
    const file = aFile();
    let nowMs = Date.now();
    const settings = { file, clock: { now: () => nowMs }, retentionIntervalMs: 20 };
    const log = await openLog(settings);
    for (let i = 0; i < 100; i += 1) await log.append([aRecord('conv-a', `old${i}`)]);
    const partition = partitionOf(Topic.messageSent, 'conv-a');
    nowMs += 8 * 24 * 60 * 60 * 1000;
    await log.append([aRecord('conv-a', 'new')]);
    await eventually(async () =>
      expect(await log.bounds(Topic.messageSent, partition)).toEqual({ first: 100, next: 101 }),
    );
    const member = new RecordingMember().join(log);
    await eventually(() => expect(member.texts).toEqual(['new']));
    nowMs += 8 * 24 * 60 * 60 * 1000;
    await eventually(async () =>
      expect(await log.bounds(Topic.messageSent, partition)).toEqual({ first: 101, next: 101 }),
    );
    await log.close();
    const again = await openLog(settings);
    expect(await again.append([aRecord('conv-a', 'newer')])).toEqual([{ partition, offset: 101 }]);
  });

  test('keeps past its time what a group has not had, and says so; a group whose records are gone says so too', async () => {
    const file = aFile();
    const faults: string[] = [];
    let nowMs = Date.now();
    const settings: Partial<SqliteEventLogOptions> = {
      file,
      clock: { now: () => nowMs },
      retentionIntervalMs: 20,
      onFault: (_fault, { doing, group }) => faults.push(`${doing} ${group}`),
    };
    const partition = partitionOf(Topic.messageSent, 'conv-a');
    const first = await openLog(settings);
    const early = new RecordingMember().join(first);
    await eventually(() => expect(early.owned.size).toBe(3));
    await first.close();
    const log = await openLog(settings);
    await log.append([aRecord('conv-a', 'one')]);
    const gate = aGate();
    const slow = new RecordingMember(() => gate.opened).join(log);
    await eventually(() => expect(slow.signals).toHaveLength(1));
    nowMs += 8 * 24 * 60 * 60 * 1000;
    await eventually(() => expect(faults).toContain('retention workers'));
    expect(await log.bounds(Topic.messageSent, partition)).toEqual({ first: 0, next: 1 });
    gate.open();
    await eventually(async () => expect(await log.bounds(Topic.messageSent, partition)).toEqual({ first: 1, next: 1 }));
    expect(slow.texts).toEqual(['one']);
    await log.close();

    expect(faults).not.toContain('position workers');
    const db = new DatabaseSync(file);
    db.exec('UPDATE committed SET next_offset = 0');
    db.close();
    const again = await openLog(settings);
    const member = new RecordingMember().join(again);
    await eventually(() => expect(faults).toContain('position workers'));
    await again.append([aRecord('conv-a', 'two')]);
    await eventually(() => expect(member.texts).toEqual(['two']));
    expect(faults.filter((fault) => fault === 'position workers')).toHaveLength(1);
  });

  test('belongs to one process at a time, and to one table of topics', async () => {
    const file = aFile();
    const log = await openLog({ file });
    expect(await reasonOf(openLog({ file }))).toBe('UNAVAILABLE');
    await log.close();
    const fewer = topics.map((topic) => ({ ...topic, partitions: 1 }));
    expect(await reasonOf(openLog({ file, topics: fewer }))).toBe('INTERNAL');
    await openLog({ file });
  });

  test('voids the batch of a shard that moves at once, long before the grace is over', async () => {
    const log = await openLog({ closeGraceMs: 60_000 });
    const gate = aGate();
    const slow = new RecordingMember(() => gate.opened).join(log);
    for (let i = 0; i < 30; i += 1) await log.append([aRecord(`conv-${i}`, 'x')]);
    await eventually(() => expect(slow.signals).toHaveLength(3));
    new RecordingMember().join(log);
    await eventually(() => expect(slow.signals.filter((signal) => signal.aborted)).toHaveLength(1));
    gate.open();
  });

  test('wakes a consumer after the appender, in the same turn', async () => {
    const log = await openLog();
    const order: string[] = [];
    const member = new RecordingMember(async () => {
      order.push('consumer');
    }).join(log);
    await eventually(() => expect(member.owned.size).toBe(3));
    await log.append([aRecord('conv-a', 'x')]).then(() => {
      order.push('appender');
      // Runs when the turn's promises are through.
      process.nextTick(() => order.push('turn over'));
    });
    await eventually(() => expect(order).toHaveLength(3));
    expect(order).toEqual(['appender', 'consumer', 'turn over']);
  });
});

describe('partitions and shards', () => {
  test('murmur2 is that of the Kafka clients', () => {
    // From UtilsTest.testMurmur2 of apache/kafka.
    const known: [string, number][] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
      ['abc', 479470107],
    ];
    for (const [key, hash] of known) expect(murmur2(key)).toBe(hash);
  });

  test('equal keys agree modulo S for any counts that S divides', () => {
    const counts = fc.tuple(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 50 }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), counts, (key, [s, a, b]) => {
        const partition = partitionAmong(s * a, key);
        expect(partition).toBeGreaterThanOrEqual(0);
        expect(partition).toBeLessThan(s * a);
        expect(partition % s).toBe(partitionAmong(s * b, key) % s);
      }),
    );
  });

  test('shards are shared evenly and move only when they must', () => {
    const owners = fc.array(fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }), { maxLength: 24 });
    fc.assert(
      fc.property(owners, fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1 }), (before, members) => {
        const after = balance(before, members);
        const held = members.map((member) => after.filter((owner) => owner === member).length);
        expect(held.reduce((sum, n) => sum + n, 0)).toBe(before.length);
        expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
        for (const member of members) {
          const had = before.flatMap((owner, shard) => (owner === member ? [shard] : []));
          const lost = had.filter((shard) => after[shard] !== member);
          expect(lost.length).toBeLessThanOrEqual(Math.max(0, had.length - Math.floor(before.length / members.length)));
          if (had.length <= Math.floor(before.length / members.length)) expect(lost).toEqual([]);
        }
      }),
    );
  });
});

describe('what was built on a log says how far it has come', () => {
  const name = `${Topic.auditLog}-${partitionOf(Topic.auditLog, 'k')}`;
  const append = async (log: SqliteEventLog, key: string): Promise<number> =>
    (await log.append([aRecord(key, 'x', Topic.auditLog)]))[0]?.offset as number;

  test('a lost log begins past that, and is read from there', async () => {
    const file = aFile();
    const log = await openLog({ file, notBefore: { [name]: 7 } });
    const offset = await append(log, 'k');
    expect(offset).toBeGreaterThan(7);
    const member = new RecordingMember().join(log, { topics: [Topic.auditLog], from: 'earliest' });
    await eventually(() => expect(member.texts).toEqual(['x']));
    await eventually(async () => expect(await member.subscription?.lag()).toBe(0));
    await log.close();
    const again = await openLog({ file, notBefore: { [name]: offset + 1 } });
    expect(await append(again, 'k')).toBe(offset + 1);
  });

  test('an older log is refused, and stays as it was', async () => {
    const file = aFile();
    const log = await openLog({ file });
    const offset = await append(log, 'k');
    await log.close();
    const older = openLog({ file, notBefore: { [name]: offset + 2 } });
    expect(String((await older.catch((fault: CaasError) => fault.cause)) as Error)).toContain(
      `the log is an older one: ${name} ends at ${offset + 1}, and records up to ${offset + 2} were read`,
    );
    const again = await openLog({ file, notBefore: { [name]: offset + 1 } });
    expect(await append(again, 'k')).toBe(offset + 1);
  });
});
