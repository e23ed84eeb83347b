import { randomUUID } from 'node:crypto';
import { afterEach, expect, test } from '@jest/globals';
import { kafkaOptions, partitionsOf } from './config.ts';
import { eventually, RecordingMember, textOf } from './contract/harness.ts';
import { withAdmin } from './kafka/topics-admin.ts';
import { openKafkaEventLog } from './kafka-event-log.ts';
import { checkTopics, growTopicTo, type TopicsOptions } from './manage-topics.ts';
import type { LogRecord } from './port.ts';
import { kafkaConnection, loneBroker, openPrefixed } from './testing/kafka.ts';
import { appendNumbers, countOf, everything, faultsOf } from './testing/sequences.ts';
import { allTopics, Topic } from './topics.ts';

const connection = kafkaConnection(process.env['KAFKA_BROKERS']);
let cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  const all = cleanUp.reverse();
  cleanUp = [];
  for (const clean of all) await clean();
});

const aTable = (): TopicsOptions & { told: string[] } => {
  const told: string[] = [];
  const prefix = `g-${randomUUID().slice(0, 8)}-`;
  return { connection, prefix, grown: {}, durability: loneBroker, told, tell: (line) => void told.push(line) };
};

test('topics are created once; what differs from the table is told and not changed', async () => {
  const table = aTable();
  const topics = allTopics.map(({ name }) => table.prefix + name);
  cleanUp.push(() => withAdmin(connection, (admin) => admin.deleteTopics({ topics })));
  expect(await checkTopics(table, true)).toBe(false);
  expect(table.told).toHaveLength(allTopics.length);
  expect(await checkTopics(table, false)).toBe(true);
  expect(await checkTopics(table, true)).toBe(true);
  table.told.length = 0;
  const demanding = {
    ...table,
    grown: { [Topic.auditLog]: 6 },
    durability: { replicationFactor: 1, minInSyncReplicas: 2 },
  };
  expect(await checkTopics(demanding, false)).toBe(false);
  expect(table.told).toContain(`${table.prefix}audit.log: partitions is 3, not 6`);
  expect(table.told).toContain(`${table.prefix}audit.log: min.insync.replicas is 1, not 2`);
  expect(await checkTopics(table, true)).toBe(true);
}, 30_000);

test('a topic grows under load: no key loses its order, positions go on, and who has not restarted appends nothing', async () => {
  const table = aTable();
  const { log, close } = await openPrefixed(connection, table.prefix, { appendTimeoutMs: 1_000 });
  cleanUp.push(close);
  const seen: LogRecord[] = [];
  const note = async (_: number, records: readonly LogRecord[]): Promise<void> => void seen.push(...records);
  const before = new RecordingMember(note).join(log);

  const stop = new AbortController();
  const keys = Array.from({ length: 20 }, (_, i) => `conv-${i}`);
  const appending = keys.map((key) => appendNumbers(log, key, stop.signal));
  await eventually(() => expect(seen.length).toBeGreaterThan(200));
  await growTopicTo(table, Topic.messageSent, 12, 20_000);
  stop.abort();
  const first = await Promise.all(appending);
  for (const { fates } of first) expect(fates.at(-1)).toBe('UNAVAILABLE');

  const grown = await openKafkaEventLog({ connection, prefix: table.prefix, grown: { [Topic.messageSent]: 12 } });
  cleanUp.push(() => grown.close());
  await before.subscription?.close();
  new RecordingMember(note).join(grown);
  const again = new AbortController();
  const further = first.map(({ key, fates }) => appendNumbers(grown, key, again.signal, fates));
  await eventually(() => expect(seen.some(({ partition }) => partition >= 6)).toBe(true));
  again.abort();
  const histories = await Promise.all(further);

  const records = (await everything(grown, 12)).sort((a, b) => a.offset - b.offset);
  expect(faultsOf(histories, records)).toEqual([]);
  expect(records).toHaveLength(countOf(histories, 'accepted') + countOf(histories, 'DEADLINE_EXCEEDED'));
  await eventually(() => expect(seen.length).toBeGreaterThanOrEqual(records.length));
  for (const key of keys) {
    const offsets = seen.filter((record) => record.key === key).map(({ offset }) => offset);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
  }
  for (const key of keys)
    expect(seen.filter((record) => record.key === key).map(textOf)).toEqual(
      records.filter((record) => record.key === key).map(textOf),
    );
}, 60_000);

test('a topic that its groups do not drain in time stays as it was, and open', async () => {
  const table = aTable();
  const { log, close } = await openPrefixed(connection, table.prefix);
  cleanUp.push(close);
  const stuck = new RecordingMember(() => new Promise(() => undefined)).join(log);
  await log.append([{ topic: Topic.messageSent, key: 'k', value: new Uint8Array(1), headers: {} }]);
  await eventually(() => expect(stuck.signals).toHaveLength(1));
  await expect(growTopicTo(table, Topic.messageSent, 12, 1_000)).rejects.toThrow('workers (1 records)');
  expect(await checkTopics(table, true)).toBe(true);
  await log.append([{ topic: Topic.messageSent, key: 'k', value: new Uint8Array(1), headers: {} }]);
}, 30_000);

test('settings say how the cluster is reached and what was grown', () => {
  const settings = {
    KAFKA_BROKERS: ['a:9092', 'b:9092'],
    KAFKA_TLS: true,
    KAFKA_SASL_MECHANISM: 'scram-sha-512' as const,
    KAFKA_SASL_USERNAME: 'caas',
    KAFKA_SASL_PASSWORD: 'a secret',
    KAFKA_PREFIX: '',
    KAFKA_TOPIC_PARTITIONS: ['message.sent=12'],
    KAFKA_REPLICATION_FACTOR: 3,
    KAFKA_MIN_IN_SYNC_REPLICAS: 2,
  };
  expect(kafkaOptions(settings)).toEqual({
    connection: {
      brokers: ['a:9092', 'b:9092'],
      tls: true,
      sasl: { mechanism: 'scram-sha-512', username: 'caas', password: 'a secret' },
    },
    prefix: '',
    grown: { 'message.sent': 12 },
    durability: { replicationFactor: 3, minInSyncReplicas: 2 },
  });
  expect(partitionsOf(['message.sent=x'])['message.sent']).toBeNaN();
});
