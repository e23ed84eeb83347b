/** What the Kafka adapter promises while leaders fall: on a cluster of three brokers, of this file's own. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type KafkaCluster, startKafkaCluster } from '@caas/infra';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { aRecord, eventually, RecordingMember, reasonOf, textOf } from './contract/harness.ts';
import { Code } from './kafka/codes.ts';
import type { KafkaConnection } from './kafka/connection.ts';
import { KafkaLayout } from './kafka/layout.ts';
import { KafkaLink } from './kafka/link.ts';
import { settingsOf, withAdmin } from './kafka/topics-admin.ts';
import { type KafkaEventLog, openKafkaEventLog } from './kafka-event-log.ts';
import { partitionAmong } from './partition.ts';
import { kafkaConnection } from './testing/kafka.ts';
import { appendNumbers, countOf, everything, faultsOf } from './testing/sequences.ts';
import { Topic } from './topics.ts';
import { settledWithin } from './wait.ts';

/** How long a broker may take to start and to be in sync again on a busy machine, in milliseconds. */
const backMs = 60_000;
const stallMs = 10_000;

let dataDir: string;
let cluster: KafkaCluster;
let connection: KafkaConnection;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'kafka-leaders-'));
  cluster = await startKafkaCluster({ brokers: 3, dataDir, sessionTimeoutMs: 3_000 });
  connection = kafkaConnection(cluster.addresses.join());
}, 180_000);
afterAll(async () => {
  await cluster?.end();
  await rm(dataDir, { recursive: true, force: true });
});

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  const mortals = [cluster.broker(2), cluster.broker(3)];
  for (const broker of mortals) broker.resume();
  for (const clean of cleanUp.splice(0).reverse()) await clean();
  for (const broker of mortals) if (broker.pid === undefined) await broker.start();
}, backMs);

/** A log of one topic whose partitions are led by the first of their replicas, with what it reports. */
const aLog = async (...replicas: number[][]) => {
  const prefix = `l-${randomUUID().slice(0, 8)}-`;
  const topics = [{ name: Topic.messageSent, partitions: replicas.length, retentionMs: 3_600_000 }];
  const topic = new KafkaLayout(topics, prefix, {}).of(Topic.messageSent);
  const { physical } = topic;
  const copies = replicas[0]?.length ?? 0;
  const durability = { replicationFactor: copies, minInSyncReplicas: Math.min(copies, 2) };
  const settings = Object.entries(settingsOf(topic, durability)).map(([name, value]) => ({ name, value }));
  const replicaAssignment = replicas.map((each, partition) => ({ partition, replicas: each }));
  const wanted = { topic: physical, replicaAssignment, configEntries: settings };
  await withAdmin(connection, (admin) => admin.createTopics({ waitForLeaders: false, topics: [wanted] }));
  const state = async () => {
    const metadata = await withAdmin(connection, (admin) => admin.fetchTopicMetadata({ topics: [physical] }));
    return metadata.topics[0]?.partitions ?? [];
  };
  const inSync = () =>
    eventually(
      async () => expect((await state()).map(({ isr }) => isr.length)).toEqual(replicas.map(() => copies)),
      backMs,
    );
  await inSync();
  const faults: string[] = [];
  const onFault = (fault: unknown): void => void faults.push(String(fault));
  const log = await openKafkaEventLog({ connection, prefix, topics, appendTimeoutMs: 60_000, stallMs, onFault });
  cleanUp.push(() => log.close());
  return { log, faults, inSync, topic, leaders: async () => (await state()).map(({ leader }) => leader) };
};

test('a batch that its leader has written when it goes is there once, though it is told that nothing leads there', async () => {
  const { log, faults, leaders } = await aLog([2, 1, 3]);
  const sent: string[] = [];
  const append = (text: string) => {
    sent.push(text);
    return reasonOf(log.append([aRecord('conv', text)]));
  };
  expect(await append('first')).toBe('none');
  // In sync, and silent: what is appended from now on is in two logs and can't be answered.
  cluster.broker(3).pause();
  let waiting = Promise.resolve('none');
  await eventually(async () => {
    waiting = append(`second ${sent.length}`);
    expect(await settledWithin(waiting, 300)).toBe(false);
  });
  const next = append('third');
  const stopped = cluster.broker(2).stop();
  cleanUp.push(() => stopped);
  await eventually(async () => expect(await leaders()).toEqual([1]));
  cluster.broker(3).resume();
  expect(await Promise.all([waiting, next])).toEqual(['none', 'none']);
  expect(faults).toContainEqual(expect.stringContaining(`(${Code.notLeader})`));
  expect((await log.read(Topic.messageSent, 0, 0, 100)).map(textOf)).toEqual(sent);
}, 180_000);

test('while leaders are stopped in good order and killed, no record is lost, doubled or out of place', async () => {
  const orders = [
    [1, 2, 3],
    [2, 3, 1],
    [3, 1, 2],
  ];
  const { log, inSync, leaders } = await aLog(...orders, ...orders);
  const paced: Pick<KafkaEventLog, 'append'> = {
    append: async (records) => {
      await sleep(Math.random() * 10);
      return log.append(records);
    },
  };
  const stop = new AbortController();
  const keys = Array.from({ length: 40 }, (_, i) => `conv-${i}`);
  const appending = keys.map((key) => appendNumbers(paced, key, stop.signal));
  for (const how of ['stop', 'kill', 'stop', 'kill'] as const) {
    const leads = await leaders();
    const count = (id: number): number => leads.filter((leader) => leader === id).length;
    const fallen = count(2) > count(3) ? 2 : 3;
    expect(count(fallen)).toBeGreaterThan(0);
    await cluster.broker(fallen)[how]();
    await eventually(async () => expect(await leaders()).not.toContain(fallen), backMs);
    await cluster.broker(fallen).start();
    await inSync();
  }
  stop.abort();
  const histories = await Promise.all(appending);
  const records = await everything(log);
  expect(faultsOf(histories, records)).toEqual([]);
  expect(countOf(histories, 'accepted')).toBe(records.length);
  process.stdout.write(`${records.length} records\n`);
}, 300_000);

test('a partition without a leader holds up what is appended to it and nothing else, and stalls nobody', async () => {
  const { log, faults, topic } = await aLog([1], [2]);
  const link = new KafkaLink(connection, [topic.physical]);
  cleanUp.push(async () => link.close());
  const keys = Array.from({ length: 20 }, (_, i) => `conv-${i}`);
  const keyOf = (partition: number) =>
    keys.find((key) => partitionAmong(topic.partitions, key) === partition) as string;
  const append = (partition: number, text: string) => reasonOf(log.append([aRecord(keyOf(partition), text)]));
  const member = new RecordingMember().join(log, { shards: 2 });
  const tail = log.tail([Topic.messageSent], () => undefined);
  expect(await Promise.all([append(0, 'live'), append(1, 'dead')])).toEqual(['none', 'none']);
  await eventually(async () => expect(await member.subscription?.lag()).toBe(0));
  await cluster.broker(2).kill();
  await eventually(async () => {
    await link.refresh();
    expect(link.leader(topic.physical, 1)).toBeUndefined();
  });
  const waits = append(1, 'waits');
  const untilMs = performance.now() + 1.5 * stallMs;
  while (performance.now() < untilMs) {
    const live = append(0, 'live');
    expect(await settledWithin(live, 2_000)).toBe(true);
    expect(await live).toBe('none');
    expect([member.subscription?.stalled(), tail.stalled()]).toEqual([false, false]);
    await sleep(100);
  }
  expect(faults.filter((fault) => fault.includes('anew'))).toEqual([]);
  await cluster.broker(2).start();
  expect(await waits).toBe('none');
  await eventually(() => expect(member.texts).toContain('waits'), backMs);
}, 180_000);
