import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { MongoClient } from 'mongodb';
import { type Engines, startEngines } from './index.ts';
import { holdsWithin } from './poll.ts';

/** A start of all engines on a busy machine, in milliseconds. */
const startMs = 100_000;

let dataDir: string;
let engines: Engines;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'caas-engines-'));
  engines = await startEngines({ dataDir, ports: 'free' });
}, startMs);

afterAll(async () => {
  await engines?.stop();
  await rm(dataDir, { recursive: true, force: true });
}, startMs);

const url = (name: string, service?: 'socket' | 'persistence'): string =>
  (service === undefined ? engines.env : engines.envOf(service))[name] as string;

const withRedis = async <T>(address: string, work: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis(address, { lazyConnect: true, retryStrategy: () => null, commandTimeout: 1_000 });
  redis.on('error', () => undefined);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
};

const withMongo = async <T>(work: (client: MongoClient) => Promise<T>): Promise<T> => {
  const client = new MongoClient(url('MONGODB_URL'), { serverSelectionTimeoutMS: 1_000, socketTimeoutMS: 1_000 });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
};

const kafkaClient = (): Kafka =>
  new Kafka({
    brokers: url('KAFKA_BROKERS').split(','),
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1_000,
    requestTimeout: 1_000,
    enforceRequestTimeout: true,
    retry: { retries: 0 },
  });

const topicsOf = async (): Promise<string[]> => {
  const admin = kafkaClient().admin();
  try {
    await admin.connect();
    return await admin.listTopics();
  } finally {
    await admin.disconnect();
  }
};

/** Whether calls come to fail. A signal takes its time on a busy machine: one call may still be answered. */
const isQuietSoon = (call: () => Promise<unknown>): Promise<boolean> =>
  holdsWithin(10_000, () =>
    call().then(
      () => false,
      () => true,
    ),
  );

test('each Redis has the memory and the policy of its role', async () => {
  const seen: Record<string, unknown> = {};
  for (const name of ['GATEWAY', 'SOCKET', 'SHARED', 'COMPLIANCE', 'CRYPTO'])
    seen[name] = await withRedis(url(`REDIS_${name}_URL`), async (redis) => [
      Number(((await redis.config('GET', 'maxmemory')) as string[])[1]) / 1024 / 1024,
      ((await redis.config('GET', 'maxmemory-policy')) as string[])[1],
    ]);
  expect(seen).toEqual({
    GATEWAY: [256, 'noeviction'],
    SOCKET: [512, 'noeviction'],
    SHARED: [512, 'allkeys-lru'],
    COMPLIANCE: [256, 'noeviction'],
    CRYPTO: [256, 'allkeys-lru'],
  });
});

test('a service reaches only the Redis it uses, and there only keys of its own', async () => {
  expect(Object.keys(engines.envOf('gateway'))).toEqual(['REDIS_GATEWAY_URL', 'REDIS_SHARED_URL']);
  expect(Object.keys(engines.envOf('compliance'))).toEqual([
    'KAFKA_BROKERS',
    'KAFKA_REPLICATION_FACTOR',
    'KAFKA_MIN_IN_SYNC_REPLICAS',
    'REDIS_COMPLIANCE_URL',
    'MONGODB_URL',
  ]);
  await withRedis(url('REDIS_SOCKET_URL', 'socket'), async (redis) => {
    await redis.sadd('interest:acme:c1', 'node-1');
    await redis.publish('inbox:node-1', 'hello');
    await expect(redis.set('session:1', 'x')).rejects.toThrow(/NOPERM/);
    await expect(redis.publish('elsewhere', 'x')).rejects.toThrow(/NOPERM/);
    await expect(redis.flushall()).rejects.toThrow(/NOPERM/);
    await expect(redis.keys('*')).rejects.toThrow(/NOPERM/);
  });
  await withRedis(url('REDIS_SOCKET_URL', 'persistence'), async (redis) => {
    expect(await redis.smembers('interest:acme:c1')).toEqual(['node-1']);
    await expect(redis.sadd('interest:acme:c1', 'node-2')).rejects.toThrow(/NOPERM/);
  });
  const stranger = new URL(url('REDIS_SOCKET_URL'));
  stranger.username = stranger.password = '';
  await expect(withRedis(stranger.href, (redis) => redis.get('x'))).rejects.toThrow();
});

test('a Redis that is killed is gone, and empty when it is back on its port', async () => {
  const redis = engines.process('redis-gateway');
  const read = () => withRedis(url('REDIS_GATEWAY_URL'), (client) => client.get('session:1'));
  await withRedis(url('REDIS_GATEWAY_URL'), (client) => client.set('session:1', 'x'));
  await redis.kill();
  await expect(read()).rejects.toThrow();
  await redis.start();
  expect(await read()).toBeNull();
});

test('a Redis that is paused answers nothing until it goes on', async () => {
  const redis = engines.process('redis-shared');
  const ping = () => withRedis(url('REDIS_SHARED_URL'), (client) => client.ping());
  redis.pause();
  expect(await isQuietSoon(ping)).toBe(true);
  redis.resume();
  expect(await ping()).toBe('PONG');
});

test('MongoDB keeps over a kill what it has acknowledged', async () => {
  const write = { writeConcern: { w: 'majority', journal: true } } as const;
  await withMongo((client) => client.db('infra').collection('kept').insertOne({ n: 1 }, write));
  const process = engines.process('mongodb');
  await process.kill();
  await expect(withMongo((client) => client.db('infra').command({ ping: 1 }))).rejects.toThrow();
  await process.start();
  expect(await withMongo((client) => client.db('infra').collection('kept').countDocuments())).toBe(1);
}, 60_000);

test('Kafka keeps its topics over a kill, and stays quiet while it is paused', async () => {
  const admin = kafkaClient().admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'infra.kept', numPartitions: 2 }] });
  await admin.disconnect();
  const process = engines.process('kafka');
  await process.kill();
  await expect(topicsOf()).rejects.toThrow();
  await process.start();
  expect(await topicsOf()).toContain('infra.kept');
  process.pause();
  expect(await isQuietSoon(topicsOf)).toBe(true);
  process.resume();
  expect(
    await holdsWithin(10_000, async () => (await topicsOf().catch((): string[] => [])).includes('infra.kept')),
  ).toBe(true);
}, 90_000);
