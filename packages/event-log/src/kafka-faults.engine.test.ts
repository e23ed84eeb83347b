/** What the Kafka adapter promises while answers vanish, brokers are away and members come and go. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { aGate, aGroup, aRecord, eventually, RecordingMember, reasonOf, textOf } from './contract/harness.ts';
import type { OpenLog } from './contract.ts';
import { KafkaLink } from './kafka/link.ts';
import { type KafkaEventLog, type KafkaEventLogOptions, openKafkaEventLog } from './kafka-event-log.ts';
import type { LogRecord } from './port.ts';
import { FaultyNetwork } from './testing/faulty-network.ts';
import { kafkaConnection, openPrefixed } from './testing/kafka.ts';
import { appendNumbers, countOf, everything, faultsOf } from './testing/sequences.ts';
import { Topic } from './topics.ts';

const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
process.stdout.write(`seed ${seed}\n`);
/** Mulberry32. */
let state = seed;
const random = (): number => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

interface Bench extends OpenLog {
  log: KafkaEventLog;
  network: FaultyNetwork;
  prefix: string;
  /** Another log on the same topics, without faults. */
  direct: KafkaEventLog;
}

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

const aBench = async (changes: Partial<KafkaEventLogOptions> = {}): Promise<Bench> => {
  const connection = kafkaConnection(process.env['KAFKA_BROKERS']);
  const probe = new KafkaLink(connection, []);
  await probe.refresh();
  const network = await FaultyNetwork.before(probe.addresses);
  probe.close();
  cleanUp.push(() => network.close());
  const prefix = `f-${randomUUID().slice(0, 8)}-`;
  const faulty = { ...connection, requestTimeoutMs: 700, socketFactory: network.socketFactory };
  const direct = await openPrefixed(connection, prefix);
  cleanUp.push(() => direct.close());
  const options = { connection: faulty, prefix, heartbeatMs: 100, onFault: () => undefined, ...changes };
  const log = await openKafkaEventLog(options);
  cleanUp.push(() => log.close());
  return { ...direct, direct: direct.log, log, network, prefix };
};

const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `conv-${i}`);

/** Appends under faults for a while, and looks at what came of it. */
const appendsUnder = async (bench: Bench, appenders: number, faults: () => Promise<void>) => {
  const stop = new AbortController();
  // Out of step, so that some always come while others are on their way.
  const log = {
    append: async (records: Parameters<KafkaEventLog['append']>[0]) => {
      await sleep(random() * 10);
      return bench.log.append(records);
    },
  };
  const appending = keys(appenders).map((key) => appendNumbers(log, key, stop.signal));
  await faults();
  bench.network.mode = 'pass';
  const all = keys(appenders).map((key) => aRecord(key, 'last'));
  const everyKeyAccepted = () => eventually(() => bench.log.append(all).then(() => undefined));
  await everyKeyAccepted();
  stop.abort();
  const histories = await Promise.all(appending);
  // What is not known yet may still come: nothing of these keys is on its way once a later record is in.
  await everyKeyAccepted();
  const records = (await everything(bench.direct)).filter((record) => textOf(record) !== 'last');
  return { histories, records };
};

describe('appends', () => {
  test('whose answers vanish are made again, and every accepted one is there once and in order', async () => {
    const bench = await aBench();
    const { histories, records } = await appendsUnder(bench, 40, async () => {
      for (let i = 0; i < 4; i += 1) {
        await sleep(100 + random() * 200);
        bench.network.mode = 'lost answers';
        await sleep(200 + random() * 1_300);
        bench.network.mode = 'pass';
      }
    });
    expect(faultsOf(histories, records)).toEqual([]);
    expect(countOf(histories, 'accepted')).toBeGreaterThan(400);
    expect(countOf(histories, 'accepted')).toBe(records.length);
  });

  test('outlast connections that end and brokers that are away', async () => {
    const bench = await aBench();
    const { histories, records } = await appendsUnder(bench, 40, async () => {
      for (let i = 0; i < 6; i += 1) {
        await sleep(50 + random() * 200);
        bench.network.mode = 'down';
        await sleep(random() * 600);
        bench.network.mode = 'pass';
      }
    });
    expect(faultsOf(histories, records)).toEqual([]);
    expect(countOf(histories, 'accepted')).toBe(records.length);
  });

  test('past their time are refused when they were never sent, and in doubt when they were', async () => {
    const bench = await aBench({ appendTimeoutMs: 400 });
    const { histories, records } = await appendsUnder(bench, 20, async () => {
      for (const mode of ['lost answers', 'down', 'lost answers'] as const) {
        await sleep(100 + random() * 100);
        bench.network.mode = mode;
        await sleep(1_000 + random() * 500);
        bench.network.mode = 'pass';
      }
    });
    expect(faultsOf(histories, records)).toEqual([]);
    for (const fate of ['accepted', 'UNAVAILABLE', 'DEADLINE_EXCEEDED'] as const)
      expect(countOf(histories, fate)).toBeGreaterThan(0);
  });

  test('beyond the bytes that may wait are OVERLOADED, and taken again afterwards', async () => {
    const { log, network } = await aBench({ maxPendingBytes: 10_000, appendTimeoutMs: 2_000 });
    network.mode = 'down';
    const reasons = Promise.all(
      keys(30).map((key) => reasonOf(log.append([{ ...aRecord(key, ''), value: new Uint8Array(1_000) }]))),
    );
    const outcomes = await reasons;
    expect(new Set(outcomes)).toEqual(new Set(['OVERLOADED', 'UNAVAILABLE']));
    network.mode = 'pass';
    await eventually(async () => expect(await reasonOf(log.append([aRecord('conv-a', 'x')]))).toBe('none'));
  });
});

describe('consumers', () => {
  /** Records of a partition must come in order and without a gap, whoever gets them; again is allowed. */
  class GapWatch {
    readonly gaps: string[] = [];
    again = 0;
    readonly #next = new Map<number, number>();

    see(records: readonly LogRecord[]): void {
      for (const { partition, offset } of records) {
        const next = this.#next.get(partition) ?? 0;
        if (offset > next) this.gaps.push(`partition ${partition}: ${offset} where ${next} was due`);
        if (offset < next) this.again += 1;
        this.#next.set(partition, Math.max(next, offset + 1));
      }
    }

    get seen(): number {
      return [...this.#next.values()].reduce((sum, n) => sum + n, 0);
    }
  }

  test('in a storm of members that come, go and lose their connections miss nothing and swap nothing', async () => {
    const bench = await aBench();
    const watch = new GapWatch();
    const join = (log: KafkaEventLog): RecordingMember =>
      new RecordingMember(async (_, records) => {
        await sleep(random() * 5);
        watch.see(records);
      }).join(log, { maxBatchRecords: 20 });
    const stop = new AbortController();
    const appending = keys(20).map((key) => appendNumbers(bench.direct, key, stop.signal));
    const members: RecordingMember[] = [];
    for (let i = 0; i < 12; i += 1) {
      members.push(join(i % 2 === 0 ? bench.log : bench.direct));
      await sleep(100 + random() * 500);
      if (members.length > 2) void members.shift()?.subscription?.close();
      if (i % 4 === 3) {
        bench.network.mode = 'down';
        await sleep(random() * 200);
        bench.network.mode = 'pass';
      }
    }
    stop.abort();
    const histories = await Promise.all(appending);
    await eventually(() => expect(watch.seen).toBe(countOf(histories, 'accepted')));
    expect(watch.gaps).toEqual([]);
    process.stdout.write(`${watch.seen} records, ${watch.again} of them again\n`);
    await eventually(async () => expect(await members.at(-1)?.subscription?.lag()).toBe(0));
  }, 60_000);

  test('that were cut off past their session void what they hold, and commit nothing when they wake', async () => {
    const bench = await aBench({ sessionTimeoutMs: 6_000 });
    const gate = aGate();
    const zombie = new RecordingMember(() => gate.opened).join(bench.log);
    await bench.direct.append([aRecord('conv-z', 'one'), aRecord('conv-z', 'two')]);
    await eventually(() => expect(zombie.signals.length).toBeGreaterThan(0));
    bench.network.mode = 'lost answers';
    const hold = aGate();
    const heir = new RecordingMember(() => hold.opened).join(bench.direct);
    await eventually(() => expect(heir.signals.length).toBeGreaterThan(0));
    await eventually(() => expect(zombie.signals[0]?.aborted).toBe(true));
    gate.open();
    bench.network.mode = 'pass';
    await eventually(() => expect(zombie.seen.length).toBeGreaterThan(0));
    expect(await heir.subscription?.lag()).toBe(2);
    hold.open();
    await eventually(async () => expect(await heir.subscription?.lag()).toBe(0));
  }, 40_000);

  test('that tail hear everything, also what is appended while they are cut off', async () => {
    const bench = await aBench();
    const heard: string[] = [];
    bench.log.tail([Topic.messageSent], (records) => heard.push(...records.map(textOf)));
    await eventually(async () => {
      await bench.direct.append([aRecord('conv-t', 'ping')]);
      expect(heard).toContain('ping');
    });
    const sent: string[] = [];
    for (const mode of ['pass', 'down', 'lost answers', 'pass'] as const) {
      bench.network.mode = mode;
      for (let i = 0; i < 20; i += 1) {
        sent.push(`${mode} ${sent.length}`);
        await bench.direct.append([aRecord('conv-t', sent.at(-1) as string)]);
        await sleep(random() * 40);
      }
    }
    await eventually(() => expect(heard.filter((text) => text !== 'ping')).toEqual(sent));
  });

  test('with other shards than the group has get nothing, and say why', async () => {
    const faults: string[] = [];
    const bench = await aBench({ onFault: (fault) => faults.push(String(fault)) });
    const first = new RecordingMember().join(bench.direct);
    await eventually(() => expect(first.owned.size).toBe(3));
    const other = new RecordingMember();
    bench.log.subscribe(aGroup({ shards: 1 }), other);
    await eventually(() => expect(faults.join()).toContain('INCONSISTENT_GROUP_PROTOCOL'));
    expect(other.events).toEqual([]);
  });
});
