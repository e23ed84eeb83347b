import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { engineUsers } from './engine.ts';
import { kafka } from './engines/kafka.ts';
import { mongodb } from './engines/mongodb.ts';
import { opensearch } from './engines/opensearch.ts';
import { redisInstances, redisUsers, redisVariable } from './engines/redis.ts';
import { s3 } from './engines/s3.ts';
import { secretNames } from './secrets.ts';

interface Service {
  image?: string;
  build?: { context: string; dockerfile: string };
  ports?: string[];
  environment: Record<string, string>;
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
  volumes?: string[];
}

const text = readFileSync('docker-compose.yml', 'utf8');
const services = (parse(text, { merge: true }) as { services: Record<string, Service> }).services;
const serviceOf = (name: string): Service => services[name] as Service;

/** Container to the service it runs. */
const ours = {
  gateway: 'gateway',
  auth: 'auth',
  'socket-service-1': 'socket',
  'socket-service-2': 'socket',
  persistence: 'persistence',
  crypto: 'crypto',
  media: 'media',
  compliance: 'compliance',
  search: 'search',
} as const;
/** Does its work and ends. */
const job = 'topics';
const redisNames = Object.keys(redisInstances) as (keyof typeof redisInstances)[];

test('there are the services, five Redis, Kafka and MongoDB, and no messaging service', () => {
  expect(Object.keys(services).toSorted()).toEqual(
    [...Object.keys(ours), ...redisNames, 'kafka', 'mongodb', 'opensearch', 's3', job].toSorted(),
  );
  expect(text).not.toMatch(/messaging/i);
});

test('every port is published on loopback only, at the number the design gives it', () => {
  const published = Object.fromEntries(Object.entries(services).map(([name, { ports = [] }]) => [name, ports]));
  expect(published).toEqual({
    gateway: ['127.0.0.1:3000:3000'],
    auth: [],
    'socket-service-1': ['127.0.0.1:3001:3001'],
    'socket-service-2': ['127.0.0.1:3002:3001'],
    persistence: [],
    crypto: [],
    media: ['127.0.0.1:3003:3003'],
    compliance: [],
    'redis-gateway': ['127.0.0.1:6379:6379'],
    'redis-socket': ['127.0.0.1:6380:6380'],
    'redis-shared': ['127.0.0.1:6381:6381'],
    'redis-compliance': ['127.0.0.1:6382:6382'],
    'redis-crypto': ['127.0.0.1:6383:6383'],
    kafka: ['127.0.0.1:9092:19092'],
    mongodb: ['127.0.0.1:27017:27017'],
    opensearch: ['127.0.0.1:9200:9200'],
    s3: ['127.0.0.1:9000:9000'],
    search: [],
    topics: [],
  });
});

test('every container has a health check, and waits for the health of what it needs, or for its end', () => {
  for (const [name, { healthcheck, depends_on = {} }] of Object.entries(services)) {
    for (const [needed, { condition }] of Object.entries(depends_on)) {
      const expected = needed === job ? 'service_completed_successfully' : 'service_healthy';
      expect([name, needed, condition, needed in services]).toEqual([name, needed, expected, true]);
    }
    if (name === job) continue;
    // A colon in an unquoted line makes a mapping of it.
    expect([name, healthcheck?.test.map((part) => typeof part)]).toEqual([
      name,
      healthcheck?.test.map(() => 'string') ?? 'a health check',
    ]);
  }
});

test('images have exact versions, and those of ours are built from the root', () => {
  for (const { image, build } of Object.values(services)) if (!build) expect(image).toMatch(/:v?\d+\.\d+\.\d+/);
  for (const [name, service] of Object.entries(ours))
    expect(serviceOf(name).build).toEqual({ context: '.', dockerfile: `services/${service}/Dockerfile` });
});

describe.each(redisNames)('%s', (name) => {
  const { environment, volumes } = serviceOf(name);

  test('has the port, memory and policy that it has natively', () => {
    const { port, maxMemory, policy } = redisInstances[name];
    expect(environment).toMatchObject({
      REDIS_NAME: name,
      REDIS_PORT: String(port),
      REDIS_MAXMEMORY: maxMemory,
      REDIS_POLICY: policy,
    });
    expect(volumes).toEqual(['./infra/redis:/caas:ro']);
  });

  test('gets the passwords of its users and no other', async () => {
    const users = await redisUsers(name);
    expect(users).toContain('admin');
    const passwords = Object.keys(environment).filter((variable) => variable.startsWith('REDIS_PASSWORD_'));
    expect(passwords.toSorted()).toEqual(users.map((user) => `REDIS_PASSWORD_${user.toUpperCase()}`).toSorted());
  });
});

describe.each(Object.entries(ours))('%s', (name, service) => {
  const { environment, depends_on = {} } = serviceOf(name);

  test('reaches the Redis that know its user, as that user, and waits for them', async () => {
    const urls: Record<string, string> = {};
    for (const redis of redisNames)
      if ((await redisUsers(redis)).includes(service))
        urls[redisVariable(redis)] =
          `redis://${service}:\${REDIS_PASSWORD_${service.toUpperCase()}:?}@${redis}:${redisInstances[redis].port}`;
    const given = Object.entries(environment).filter(([variable]) => /^REDIS_\w+_URL$/.test(variable));
    expect(Object.fromEntries(given)).toEqual(urls);
    const waited = Object.keys(depends_on).filter((needed) => needed.startsWith('redis'));
    expect(waited.map(redisVariable).toSorted()).toEqual(Object.keys(urls).toSorted());
  });

  test('is told where those of Kafka and MongoDB are that it uses, and waits for them', () => {
    expect(engineUsers).toContain(service);
    const addresses = [
      ...(kafka.users.includes(service) ? [['KAFKA_BROKERS', 'kafka:9092']] : []),
      ...(mongodb.users.includes(service) ? [['MONGODB_URL', 'mongodb://mongodb:27017/?replicaSet=rs0']] : []),
    ];
    const given = Object.entries(environment).filter(([variable]) => /^(KAFKA|MONGODB)_/.test(variable));
    expect(given.toSorted()).toEqual(addresses);
    expect('kafka' in depends_on).toBe(kafka.users.includes(service));
    expect('mongodb' in depends_on).toBe(mongodb.users.includes(service));
  });

  test('is told where OpenSearch is if it uses it, and waits for it', () => {
    const uses = opensearch.users.includes(service);
    expect(environment['OPENSEARCH_URL']).toBe(uses ? 'http://opensearch:9200' : undefined);
    expect('opensearch' in depends_on).toBe(uses);
  });

  test('is told where the bucket is if it uses it, and waits for it', () => {
    const uses = s3.users.includes(service);
    expect(environment['S3_URL']).toBe(uses ? 'http://s3:9000' : undefined);
    expect(environment['S3_ACCESS_KEY_ID']).toBe(uses ? serviceOf('s3').environment['ROOT_ACCESS_KEY'] : undefined);
    expect('s3' in depends_on).toBe(uses);
  });

  test('finds its certificates', () => {
    expect(environment).toMatchObject({ CAAS_TLS_DIR: '/caas/tls' });
    expect(serviceOf(name).volumes).toContain('./.cache/certs:/caas/tls:ro');
  });

  test('is given no variable of its own that its config.ts does not read', () => {
    const config = readFileSync(`services/${service}/src/config.ts`, 'utf8');
    const own = new RegExp(`^${service.toUpperCase()}_`);
    const unknown = Object.keys(environment).filter((variable) => own.test(variable) && !config.includes(variable));
    expect(unknown).toEqual([]);
  });
});

test('topics are made for one broker, before those who use Kafka start', () => {
  const { environment, build, depends_on } = serviceOf(job);
  expect(environment).toEqual({
    KAFKA_BROKERS: 'kafka:9092',
    KAFKA_REPLICATION_FACTOR: '1',
    KAFKA_MIN_IN_SYNC_REPLICAS: '1',
  });
  expect(build).toEqual(serviceOf('persistence').build);
  expect(Object.keys(depends_on ?? {})).toEqual(['kafka']);
  for (const [name, service] of Object.entries(ours))
    expect([name, job in (serviceOf(name).depends_on ?? {})]).toEqual([name, kafka.users.includes(service)]);
});

test('clients are told both nodes', () => {
  expect(serviceOf('gateway').environment).toMatchObject({
    SOCKET_SERVICE_1_URL: `\${SOCKET_SERVICE_1_URL:-ws://socket-service-1:3001}`,
    SOCKET_SERVICE_2_URL: `\${SOCKET_SERVICE_2_URL:-ws://socket-service-2:3001}`,
  });
  const ids = ['socket-service-1', 'socket-service-2'].map((name) => serviceOf(name).environment['SOCKET_NODE_ID']);
  expect(new Set(ids).size).toBe(2);
});

test('every secret it asks for is one that npm run infra makes, and none is written in it', () => {
  const asked = [...text.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name as string);
  expect([...new Set(asked)].toSorted()).toEqual(secretNames.toSorted());
  expect(text).not.toMatch(/:\/\/\w+:[^$@\s]+@/);
});
