import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { ConfigError } from '@caas/kit/config';
import { afterEach, expect, test } from '@jest/globals';
import kafkajs from 'kafkajs';
import { kafkaOptions, partitionsOf } from './config.ts';
import { eventually, RecordingMember, reasonOf, textOf } from './contract/harness.ts';
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

/** Runs `npm run topics -- --grow` on the topics of a table and kills it when it says `step`. */
const growKilledAt = async ({ prefix }: TopicsOptions, grow: string, step: string): Promise<void> => {
  const script = join(import.meta.dirname, '../../../scripts/topics.ts');
  const quietly = '--disable-warning=TimeoutNegativeWarning';
  const child = spawn(process.execPath, ['-C', '@caas/source', quietly, script, '--grow', grow], {
    env: { ...process.env, KAFKA_PREFIX: prefix, KAFKA_REPLICATION_FACTOR: '1', KAFKA_MIN_IN_SYNC_REPLICAS: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  for await (const chunk of child.stdout) {
    said += chunk;
    if (said.includes(step)) child.kill('SIGKILL');
  }
  expect(said).toContain(step);
  expect(said).not.toContain('is open');
};

test('a growth that is killed halfway is gone on with, and an operator’s own settings stay', async () => {
  const table = aTable();
  const { log, close } = await openPrefixed(connection, table.prefix, { appendTimeoutMs: 500 });
  cleanUp.push(close);
  const name = table.prefix + Topic.messageSent;
  const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name };
  const setting = async (wanted: string): Promise<string | undefined> => {
    const { resources } = await withAdmin(connection, (admin) =>
      admin.describeConfigs({ includeSynonyms: false, resources: [resource] }),
    );
    return resources[0]?.configEntries.find(({ configName }) => configName === wanted)?.configValue;
  };
  const size = await setting('max.message.bytes');
  const configEntries = [
    { name: 'segment.ms', value: '3600000' },
    { name: 'max.message.bytes', value: size as string },
  ];
  await withAdmin(connection, (admin) =>
    admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] }),
  );
  const record = { topic: Topic.messageSent, key: 'k', value: new Uint8Array(1), headers: {} };
  await growKilledAt(table, 'message.sent=12', 'waiting until every running process has noticed');
  expect(await reasonOf(log.append([record]))).toBe('UNAVAILABLE');
  expect(await setting('max.message.bytes')).toBe('1');
  await growTopicTo(table, Topic.messageSent, 12, 1_000);
  expect(table.told.at(-1)).toBe(`${name} is open to writers`);
  expect([await setting('max.message.bytes'), await setting('segment.ms')]).toEqual([size, '3600000']);
  const grown = await openKafkaEventLog({ connection, prefix: table.prefix, grown: { [Topic.messageSent]: 12 } });
  cleanUp.push(() => grown.close());
  await grown.append([record]);
  await growTopicTo(table, Topic.messageSent, 12, 1_000);
  expect(table.told.at(-1)).toBe(`${name} has 12 partitions already, and is open to writers`);
  await expect(growTopicTo(table, Topic.messageSent, 6, 1_000)).rejects.toThrow("can't shrink");
}, 60_000);

test('a topic that is missing, or has other partitions, is said in a sentence, as other settings are', async () => {
  const table = aTable();
  const { close } = await openPrefixed(connection, table.prefix);
  cleanUp.push(close);
  const opened = openKafkaEventLog({
    connection,
    prefix: table.prefix,
    topics: [...allTopics, { name: 'absent', partitions: 3, retentionMs: 1 }],
    grown: { [Topic.auditLog]: 6 },
  });
  await expect(opened).rejects.toThrow(ConfigError);
  await expect(opened).rejects.toThrow(`topic ${table.prefix}absent is missing: npm run topics`);
  await expect(opened).rejects.toThrow(`topic ${table.prefix}audit.log has 3 partitions, not 6`);
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
