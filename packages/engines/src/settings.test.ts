import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaasError } from '@caas/kit';
import { loadConfig } from '@caas/kit/config';
import { createLogger } from '@caas/kit/log';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import {
  allOrNone,
  kafkaOf,
  kafkaVariables,
  mongoOf,
  mongoVariables,
  openKeyValue,
  openLog,
  openMessages,
  redisSocketOf,
  redisSocketVariables,
} from './index.ts';

const schema = z
  .object({ ...kafkaVariables, ...mongoVariables, ...redisSocketVariables })
  .superRefine(allOrNone('KAFKA_BROKERS', 'MONGODB_URL', 'REDIS_SOCKET_URL'))
  .transform((env) => ({ kafka: kafkaOf(env), mongo: mongoOf(env), redisSocket: redisSocketOf(env) }));
const enginesOf = (env: Record<string, string>) => loadConfig('socket', schema, env);
const all = {
  KAFKA_BROKERS: 'kafka-1:9092, kafka-2:9092',
  MONGODB_URL: 'mongodb://socket:hunter2@mongo:27017/?replicaSet=rs0',
  REDIS_SOCKET_URL: 'redis://socket:hunter2@redis-socket:6380',
};

describe('engines of a service', () => {
  test('are embedded where no variable names one', async () => {
    const engines = enginesOf({});
    expect(engines).toEqual({ kafka: undefined, mongo: undefined, redisSocket: undefined });
    const folder = mkdtempSync(join(tmpdir(), 'caas-engines-'));
    const log = await openLog(engines, join(folder, 'log.db'), createLogger({ service: 'test', level: 'silent' }));
    expect(await log.bounds('message.sent', 0)).toEqual({ first: 0, next: 0 });
    await log.close();
    const store = await openMessages(engines, join(folder, 'messages.db'));
    expect(await store.conversations.getMany([{ tenantId: 't', conversationId: 'c' }])).toEqual([undefined]);
    await store.close();
  });

  test('are those the variables name', () => {
    const { kafka, mongo, redisSocket } = enginesOf({ ...all, MONGODB_DATABASE: 'chat' });
    expect(kafka?.connection.brokers).toEqual(['kafka-1:9092', 'kafka-2:9092']);
    expect(mongo).toEqual({ url: all.MONGODB_URL, database: 'chat' });
    expect(redisSocket).toEqual({ urls: [all.REDIS_SOCKET_URL], cluster: false, tls: undefined });
    expect(enginesOf({ ...all, REDIS_SOCKET_URL: 'rediss://a:1,rediss://b:1' }).redisSocket).toMatchObject({
      urls: ['rediss://a:1', 'rediss://b:1'],
      cluster: true,
      tls: {},
    });
  });

  test('are all named, or the missing ones are told, and no password with them', () => {
    const { KAFKA_BROKERS: _, ...without } = all;
    expect(() => enginesOf(without)).toThrow(/KAFKA_BROKERS: not set, but MONGODB_URL, REDIS_SOCKET_URL are/);
    expect(() => enginesOf({ KAFKA_BROKERS: all.KAFKA_BROKERS })).toThrow(
      /MONGODB_URL: not set[\s\S]*REDIS_SOCKET_URL: not set/,
    );
    expect(() => enginesOf({ ...without, KAFKA_BROKERS: 'nowhere' })).toThrow(/KAFKA_BROKERS/);
    expect(() => enginesOf(without)).not.toThrow(/hunter2/);
    expect(() => enginesOf({ ...all, REDIS_SOCKET_URL: 'rediss://r:1', REDIS_CA_FILE: '/no/such.pem' })).toThrow(
      /REDIS_CA_FILE=\/no\/such.pem can't be read: ENOENT/,
    );
  });

  test('that are away when a service starts are told by name, in bounded time', async () => {
    const logger = createLogger({ service: 'test', level: 'silent' });
    const engines = enginesOf({
      KAFKA_BROKERS: '127.0.0.1:1',
      MONGODB_URL: 'mongodb://127.0.0.1:1',
      REDIS_SOCKET_URL: 'redis://127.0.0.1:1',
    });
    await expect(openLog(engines, 'unused', logger)).rejects.toThrow(/KAFKA_BROKERS names is not reached/);
    await expect(openMessages(engines, 'unused', 300)).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
    // Redis may vanish at any time, so also at the start: the service starts and says what it can't do.
    const keyValue = await openKeyValue(engines, logger);
    await expect(keyValue.get('k')).rejects.toBeInstanceOf(CaasError);
    await keyValue.close();
  });
});
