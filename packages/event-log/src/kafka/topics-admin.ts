import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import { maxValueBytes } from '../record-codec.ts';
import {
  defaultConnectTimeoutMs,
  defaultRequestTimeoutMs,
  type KafkaConnection,
  noDelaySockets,
} from './connection.ts';
import type { KafkaTopic } from './layout.ts';
import { KafkaLink } from './link.ts';

const { ConfigResourceTypes, Kafka, logLevel } = kafkajs;

/** How long new partitions may take to get a leader, in milliseconds. */
const leadersTimeoutMs = 20_000;
const pollMs = 50;

export interface Durability {
  replicationFactor: number;
  /** Replicas that must hold a record before it counts; 2 at least in production. */
  minInSyncReplicas: number;
}

/** Does some work as an administrator of the cluster. */
export const withAdmin = async <T>(connection: KafkaConnection, work: (admin: Admin) => Promise<T>): Promise<T> => {
  const { brokers, clientId, tls, sasl, connectTimeoutMs, requestTimeoutMs, socketFactory } = connection;
  const kafka = new Kafka({
    brokers: [...brokers],
    clientId: clientId ?? 'caas',
    ...(tls !== undefined && { ssl: tls }),
    ...(sasl !== undefined && { sasl }),
    connectionTimeout: connectTimeoutMs ?? defaultConnectTimeoutMs,
    requestTimeout: requestTimeoutMs ?? defaultRequestTimeoutMs,
    socketFactory: socketFactory ?? noDelaySockets,
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
};

/** What a topic is set to, by Kafka's names. */
export const settingsOf = (topic: KafkaTopic, { minInSyncReplicas }: Durability): Record<string, string> => ({
  'cleanup.policy': 'delete',
  'retention.ms': String(topic.retentionMs),
  // The broker's clock decides what is old, not that of who appends.
  'message.timestamp.type': 'LogAppendTime',
  'max.message.bytes': String(maxValueBytes * 2),
  'min.insync.replicas': String(minInSyncReplicas),
  // A replica that lacks records never leads: rather no leader than records lost.
  'unclean.leader.election.enable': 'false',
});

export const entriesOf = (settings: Record<string, string>) =>
  Object.entries(settings).map(([name, value]) => ({ name, value }));

/** Creates the topics that are missing, and tells which; resolves when all have their leaders. */
export const createMissing = async (
  connection: KafkaConnection,
  admin: Admin,
  topics: readonly KafkaTopic[],
  durability: Durability,
): Promise<string[]> => {
  const existing = new Set(await admin.listTopics());
  const missing = topics.filter(({ physical }) => !existing.has(physical));
  if (missing.length > 0) {
    await admin.createTopics({
      // kafkajs gives up on the first broker that has not heard of a topic yet.
      waitForLeaders: false,
      topics: missing.map((topic) => ({
        topic: topic.physical,
        numPartitions: topic.partitions,
        replicationFactor: durability.replicationFactor,
        configEntries: entriesOf(settingsOf(topic, durability)),
      })),
    });
    await untilLed(connection, missing);
  }
  return missing.map(({ physical }) => physical);
};

/** Resolves when every partition has a leader. */
export const untilLed = async (connection: KafkaConnection, topics: readonly KafkaTopic[]): Promise<void> => {
  const link = new KafkaLink(
    connection,
    topics.map(({ physical }) => physical),
  );
  try {
    const deadlineMs = performance.now() + leadersTimeoutMs;
    for (;;) {
      await link.refresh();
      const open = topics.filter(({ physical, partitions }) =>
        Array.from({ length: partitions }, (_, p) => link.leader(physical, p)).includes(undefined),
      );
      if (open.length === 0) return;
      if (performance.now() > deadlineMs) throw new Error(`no leader yet: ${open.map((t) => t.physical).join(', ')}`);
      await sleep(pollMs);
    }
  } finally {
    link.close();
  }
};

/** Where the cluster differs from the table, a sentence each; changes nothing. */
export const differences = async (
  admin: Admin,
  topics: readonly KafkaTopic[],
  durability: Durability,
): Promise<string[]> => {
  const existing = new Set(await admin.listTopics());
  const found = topics.filter(({ physical }) => existing.has(physical));
  const missing = topics.filter((topic) => !found.includes(topic)).map(({ physical }) => `${physical} is missing`);
  if (found.length === 0) return missing;
  const { topics: metadata } = await admin.fetchTopicMetadata({ topics: found.map(({ physical }) => physical) });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: found.map(({ physical }) => ({ type: ConfigResourceTypes.TOPIC, name: physical })),
  });
  return [
    ...missing,
    ...found.flatMap((topic) => {
      const { physical, partitions } = topic;
      const has = metadata.find(({ name }) => name === physical)?.partitions ?? [];
      const replicas = [...new Set(has.map((partition) => partition.replicas.length))];
      const entries = resources.find(({ resourceName }) => resourceName === physical)?.configEntries ?? [];
      const values = new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
      return [
        ['partitions', String(has.length), String(partitions)] as const,
        ['replication factor', replicas.join(' and '), String(durability.replicationFactor)] as const,
        ...Object.entries(settingsOf(topic, durability)).map(
          ([name, wanted]) => [name, values.get(name) ?? 'nothing', wanted] as const,
        ),
      ]
        .filter(([, is, wanted]) => is !== wanted)
        .map(([name, is, wanted]) => `${physical}: ${name} is ${is}, not ${wanted}`);
    }),
  ];
};
