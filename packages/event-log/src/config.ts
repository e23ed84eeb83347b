import { readFileSync } from 'node:fs';
import { address, count, flag, list, loadConfig, oneOf, text } from '@caas/kit/config';
import { z } from 'zod';
import type { KafkaConnection } from './kafka/connection.ts';
import type { Durability } from './kafka/topics-admin.ts';

/** Settings of a process that uses Kafka; to be spread into its schema. */
export const kafkaSettings = {
  /** Some brokers, `host:port` with commas between. */
  KAFKA_BROKERS: list(address()),
  /** TLS with the machine's certificate authorities; a file below implies it. */
  KAFKA_TLS: flag().default(false),
  /** PEM files: authorities, and the certificate and key of this client. */
  KAFKA_TLS_CA_FILE: text().optional(),
  KAFKA_TLS_CERT_FILE: text().optional(),
  KAFKA_TLS_KEY_FILE: text().optional(),
  KAFKA_SASL_MECHANISM: oneOf('plain', 'scram-sha-256', 'scram-sha-512').default('scram-sha-512'),
  /** With it SASL is used. */
  KAFKA_SASL_USERNAME: text().optional(),
  KAFKA_SASL_PASSWORD: text().optional(),
  /** Put before the names of topics and groups. */
  KAFKA_PREFIX: text().default(''),
  /** Topics that were grown, `name=partitions` with commas between. */
  KAFKA_TOPIC_PARTITIONS: list(text()).default([]),
  KAFKA_REPLICATION_FACTOR: count({ min: 1, max: 32 }).default(3),
  /** Replicas that must hold a record before it counts. */
  KAFKA_MIN_IN_SYNC_REPLICAS: count({ min: 1, max: 32 }).default(2),
};

const schema = z.object(kafkaSettings);
type Settings = z.infer<typeof schema>;

export interface KafkaOptions {
  connection: KafkaConnection;
  prefix: string;
  /** Partitions of the topics that were grown. */
  grown: Record<string, number>;
  durability: Durability;
}

/** The settings of `npm run topics`, checked; throws one ConfigError that names everything that is wrong. */
export const topicsConfig = (env: Readonly<Record<string, string | undefined>> = process.env): KafkaOptions =>
  kafkaOptions(loadConfig('topics', schema, env));

/** What the settings mean to openKafkaEventLog and to `npm run topics`. Reads the PEM files. */
export const kafkaOptions = (settings: Settings): KafkaOptions => ({
  connection: {
    brokers: settings.KAFKA_BROKERS,
    ...tlsOf(settings),
    ...(settings.KAFKA_SASL_USERNAME !== undefined && {
      sasl: {
        mechanism: settings.KAFKA_SASL_MECHANISM as 'plain',
        username: settings.KAFKA_SASL_USERNAME,
        password: settings.KAFKA_SASL_PASSWORD ?? '',
      },
    }),
  },
  prefix: settings.KAFKA_PREFIX,
  grown: partitionsOf(settings.KAFKA_TOPIC_PARTITIONS),
  durability: {
    replicationFactor: settings.KAFKA_REPLICATION_FACTOR,
    minInSyncReplicas: settings.KAFKA_MIN_IN_SYNC_REPLICAS,
  },
});

const tlsOf = (settings: Settings): Pick<KafkaConnection, 'tls'> => {
  const files = {
    ca: settings.KAFKA_TLS_CA_FILE,
    cert: settings.KAFKA_TLS_CERT_FILE,
    key: settings.KAFKA_TLS_KEY_FILE,
  };
  const given = Object.entries(files).flatMap(([name, file]) =>
    file === undefined ? [] : [[name, readFileSync(file)]],
  );
  if (given.length > 0) return { tls: Object.fromEntries(given) };
  return settings.KAFKA_TLS ? { tls: true } : {};
};

/** `message.sent=12` as a topic and its partitions; what is not a number is refused where it is used. */
export const partitionsOf = (entries: readonly string[]): Record<string, number> =>
  Object.fromEntries(entries.map((entry) => entry.split('=', 2)).map(([name, n]) => [name, Number(n)]));
