import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { type KafkaOptions, kafkaOptions, kafkaSettings } from '@caas/event-log';
import * as settings from '@caas/kit/config';
import { ConfigError } from '@caas/kit/config';
import type { z } from 'zod';
import type { S3Settings } from './s3-settings.ts';
import type { VaultSettings } from './vault-settings.ts';

/*
 * Variables that name the distributed engines, to be spread into the schema of a service that uses them. A service that is
 * given none runs on embedded ones; one that is given some must be given all it uses (`allOrNone`).
 */

export const kafkaVariables = { ...kafkaSettings, KAFKA_BROKERS: kafkaSettings.KAFKA_BROKERS.optional() };

export const mongoVariables = {
  /** With users, TLS and replica set as MongoDB's drivers take them. */
  MONGODB_URL: settings.url('mongodb', 'mongodb+srv').optional(),
  MONGODB_DATABASE: settings.text().default('caas'),
};

const redisVariables = {
  /** A Cluster, also with one URL. */
  REDIS_CLUSTER: settings.flag().default(false),
  /** PEM of the authority of the Redis servers' certificates; default the machine's. */
  REDIS_CA_FILE: settings.text().optional(),
};

/** A URL, or several of one Cluster with commas between. */
const redisUrls = () => settings.list(settings.url('redis', 'rediss')).optional();

export const redisGatewayVariables = { ...redisVariables, REDIS_GATEWAY_URL: redisUrls() };
export const redisSocketVariables = { ...redisVariables, REDIS_SOCKET_URL: redisUrls() };

export const openSearchVariables = {
  /** With user and password, where there are such; several nodes of one cluster with commas between. */
  OPENSEARCH_URL: settings.list(settings.url('http', 'https')).optional(),
  /** Put before the names of indexes. */
  OPENSEARCH_PREFIX: settings.text().default('caas-'),
  /** PEM of the authority of the servers' certificates; default the machine's. */
  OPENSEARCH_CA_FILE: settings.text().optional(),
};

type Of<V extends z.ZodRawShape> = z.output<z.ZodObject<V>>;

/** A variable that names an engine a service may use. */
export type EngineVariable =
  | 'KAFKA_BROKERS'
  | 'MONGODB_URL'
  | 'OPENSEARCH_URL'
  | 'REDIS_GATEWAY_URL'
  | 'REDIS_SOCKET_URL';

const named: readonly EngineVariable[] = [
  'KAFKA_BROKERS',
  'MONGODB_URL',
  'OPENSEARCH_URL',
  'REDIS_GATEWAY_URL',
  'REDIS_SOCKET_URL',
];

/** Refines a service's schema: all of the engines it uses are named, or none is. */
export const allOrNone =
  (...used: readonly EngineVariable[]) =>
  (env: Partial<Record<EngineVariable, unknown>>, context: z.RefinementCtx): void => {
    const given = named.filter((name) => env[name] !== undefined);
    if (given.length === 0) return;
    for (const name of used)
      if (env[name] === undefined)
        context.addIssue({
          code: 'custom',
          path: [name],
          message: `not set, but ${given.join(', ')} ${given.length === 1 ? 'is' : 'are'}: on distributed engines all are needed`,
        });
  };

export interface RedisSettings {
  urls: string[];
  cluster: boolean;
  tls: ConnectionOptions | undefined;
}

export interface OpenSearchSettings {
  urls: string[];
  prefix: string;
  tls: ConnectionOptions | undefined;
}

/** The distributed engines a service was given; undefined: it was not given that one. */
export interface EngineSettings {
  kafka?: KafkaOptions | undefined;
  mongo?: { url: string; database: string } | undefined;
  openSearch?: OpenSearchSettings | undefined;
  redisGateway?: RedisSettings | undefined;
  redisSocket?: RedisSettings | undefined;
  s3?: S3Settings | undefined;
  vault?: VaultSettings | undefined;
}

export const kafkaOf = (env: Of<typeof kafkaVariables>): EngineSettings['kafka'] =>
  env.KAFKA_BROKERS && kafkaOptions({ ...env, KAFKA_BROKERS: env.KAFKA_BROKERS });

export const mongoOf = (env: Of<typeof mongoVariables>): EngineSettings['mongo'] =>
  env.MONGODB_URL === undefined ? undefined : { url: env.MONGODB_URL, database: env.MONGODB_DATABASE };

export const openSearchOf = (env: Of<typeof openSearchVariables>): OpenSearchSettings | undefined =>
  env.OPENSEARCH_URL && {
    urls: env.OPENSEARCH_URL,
    prefix: env.OPENSEARCH_PREFIX,
    tls: env.OPENSEARCH_CA_FILE === undefined ? undefined : authorityIn('OPENSEARCH_CA_FILE', env.OPENSEARCH_CA_FILE),
  };

export const redisGatewayOf = (env: Of<typeof redisGatewayVariables>): RedisSettings | undefined =>
  redisOf(env, env.REDIS_GATEWAY_URL);
export const redisSocketOf = (env: Of<typeof redisSocketVariables>): RedisSettings | undefined =>
  redisOf(env, env.REDIS_SOCKET_URL);

const redisOf = (env: Of<typeof redisVariables>, urls: string[] | undefined): RedisSettings | undefined =>
  urls && {
    urls,
    cluster: env.REDIS_CLUSTER || urls.length > 1,
    tls: urls.some((url) => url.startsWith('rediss:')) ? authorityIn('REDIS_CA_FILE', env.REDIS_CA_FILE) : undefined,
  };

const authorityIn = (variable: string, file: string | undefined): ConnectionOptions => {
  if (file === undefined) return {};
  try {
    return { ca: readFileSync(file) };
  } catch (cause) {
    throw new ConfigError(`${variable}=${file} can't be read: ${(cause as Error).message}`);
  }
};
