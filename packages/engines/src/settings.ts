import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { kafkaOptions, kafkaSettings } from '@caas/event-log';
import * as settings from '@caas/kit/config';
import { ConfigError } from '@caas/kit/config';
import type { z } from 'zod';

/**
 * Variables that name the distributed engines, for a service's schema. A service that is given none runs on embedded
 * ones; one that is given some must be given all it uses.
 */
export const engineVariables = {
  ...kafkaSettings,
  KAFKA_BROKERS: kafkaSettings.KAFKA_BROKERS.optional(),
  /** With users, TLS and replica set as MongoDB's drivers take them. */
  MONGODB_URL: settings.url('mongodb', 'mongodb+srv').optional(),
  MONGODB_DATABASE: settings.text().default('caas'),
  /** A URL, or several of one Cluster with commas between. */
  REDIS_GATEWAY_URL: settings.list(settings.url('redis', 'rediss')).optional(),
  REDIS_SOCKET_URL: settings.list(settings.url('redis', 'rediss')).optional(),
  REDIS_CLUSTER: settings.flag().default(false),
  /** PEM of the authority of the Redis servers' certificates; default the system's. */
  REDIS_CA_FILE: settings.text().optional(),
};

type Variables = z.output<z.ZodObject<typeof engineVariables>>;

/** A variable that names an engine a service may use. */
export type EngineVariable = 'KAFKA_BROKERS' | 'MONGODB_URL' | 'REDIS_GATEWAY_URL' | 'REDIS_SOCKET_URL';

const named: readonly EngineVariable[] = ['KAFKA_BROKERS', 'MONGODB_URL', 'REDIS_GATEWAY_URL', 'REDIS_SOCKET_URL'];

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

/** The distributed engines a service was given; those it was not given are undefined. */
export interface EngineSettings {
  kafka: ReturnType<typeof kafkaOptions> | undefined;
  mongo: { url: string; database: string } | undefined;
  redisGateway: RedisSettings | undefined;
  redisSocket: RedisSettings | undefined;
}

const authorityIn = (file: string | undefined, variable: string): ConnectionOptions => {
  if (file === undefined) return {};
  try {
    return { ca: readFileSync(file) };
  } catch (cause) {
    throw new ConfigError(`${variable}=${file} can't be read: ${(cause as Error).message}`);
  }
};

/** The engines as a service's checked variables name them; throws a ConfigError for what only shows together. */
export const enginesOf = (env: Variables): EngineSettings => {
  const redis = (urls: string[] | undefined): RedisSettings | undefined =>
    urls && {
      urls,
      cluster: env.REDIS_CLUSTER || urls.length > 1,
      tls: urls.some((url) => url.startsWith('rediss:')) ? authorityIn(env.REDIS_CA_FILE, 'REDIS_CA_FILE') : undefined,
    };
  return {
    kafka: env.KAFKA_BROKERS && kafkaOptions({ ...env, KAFKA_BROKERS: env.KAFKA_BROKERS }),
    mongo: env.MONGODB_URL === undefined ? undefined : { url: env.MONGODB_URL, database: env.MONGODB_DATABASE },
    redisGateway: redis(env.REDIS_GATEWAY_URL),
    redisSocket: redis(env.REDIS_SOCKET_URL),
  };
};
