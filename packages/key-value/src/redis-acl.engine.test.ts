import { CaasError } from '@caas/kit';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import * as keyValues from './index.ts';
import { aclLine, interestKey, nodeKey, type RedisInstance, redisGrants, userNodesKey } from './index.ts';
import { type RedisServer, startRedis } from './testing/redis-server.ts';

const minuteMs = 60_000;
const instances = [...new Set(redisGrants.map(({ instance }) => instance))];
const servers = new Map<RedisInstance, RedisServer>();
const closing: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  for (const instance of instances) {
    const grants = redisGrants.filter((grant) => grant.instance === instance);
    const acl = ['user default reset off', ...grants.map((grant) => aclLine(grant, `pw-${grant.user}`))];
    servers.set(instance, await startRedis({ acl }));
  }
});
afterAll(async () => {
  for (const each of closing) await each.close();
  for (const server of servers.values()) await server.dispose();
});

const urlOf = (instance: RedisInstance, user: string): string =>
  `redis://${user}:pw-${user}@127.0.0.1:${servers.get(instance)?.port}`;
const kept = <T extends { close(): Promise<void> }>(opened: T): T => {
  closing.push(opened);
  return opened;
};
const options = (instance: RedisInstance, user: string) => ({
  urls: [urlOf(instance, user)],
  onFault: () => undefined,
});
const denied = async (work: Promise<unknown>): Promise<void> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(CaasError);
  expect(error).toMatchObject({ reason: 'INTERNAL', message: 'the Redis user of this service may not do this' });
};

describe('the users of the five Redis', () => {
  test('a socket node does all it does on redis-socket, and touches nothing else', async () => {
    const store = kept(await keyValues.openRedisKeyValue(options('socket', 'socket')));
    const inbox = kept(await keyValues.openRedisNodeInbox(options('socket', 'socket')));
    const heard: Uint8Array[] = [];
    const stop = await inbox.listen('n1', (envelope) => heard.push(envelope));
    await inbox.send('n1', new Uint8Array(1));
    for (const key of [interestKey('t', 'c'), userNodesKey('t', 'u'), keyValues.watchersKey('t', 'u')]) {
      await store.addToSets([{ key, member: 'n1' }], minuteMs);
      expect(await store.membersOf([key])).toEqual([['n1']]);
      await store.removeFromSets([{ key, member: 'n1' }]);
    }
    for (const key of [keyValues.presenceKey('t', 'u'), nodeKey('n1')]) {
      await store.set(key, new Uint8Array(1), minuteMs);
      expect(await store.get(key)).toBeDefined();
    }
    await stop();
    expect(heard).toHaveLength(1);
    await denied(store.get('session:t:s'));
    await denied(store.set('other', new Uint8Array(1), minuteMs));
    await denied(store.addToSets([{ key: 'conversation:t:c', member: 'm' }], minuteMs));
    const foreign = kept(await keyValues.openRedisNodeInbox({ ...options('socket', 'socket'), keyPrefix: 'x:' }));
    await denied(foreign.listen('n1', () => undefined));
    await denied(foreign.send('n1', new Uint8Array(1)));
  });

  test('persistence reads who is to be told and tells them, and writes nothing there', async () => {
    const socket = kept(await keyValues.openRedisKeyValue(options('socket', 'socket')));
    const store = kept(await keyValues.openRedisKeyValue(options('socket', 'persistence')));
    const inbox = kept(await keyValues.openRedisNodeInbox(options('socket', 'persistence')));
    await socket.addToSets([{ key: userNodesKey('t', 'u'), member: 'n1' }], minuteMs);
    await keyValues.setCanary(socket, { nodeId: 'n1', startId: 's' }, minuteMs);
    expect(await store.membersOf([interestKey('t', 'c'), userNodesKey('t', 'u')])).toEqual([[], ['n1']]);
    expect([...(await keyValues.livingMembers(store, ['n1/s', 'n2/s']))]).toEqual(['n1/s']);
    await inbox.send('n1', new Uint8Array(1));
    await denied(store.set(nodeKey('n1'), new Uint8Array(1), minuteMs));
    await denied(store.addToSets([{ key: interestKey('t', 'c'), member: 'x' }], minuteMs));
    await denied(store.removeFromSets([{ key: userNodesKey('t', 'u'), member: 'n1' }]));
  });

  test('the gateway counts rates on redis-gateway', async () => {
    const limits = kept(await keyValues.openRedisRateLimits(options('gateway', 'gateway')));
    const rule = { name: 'gateway.tokens', points: 1, windowMs: minuteMs };
    expect(await limits.take(rule, 'a:b*[c]')).toMatchObject({ allowed: true });
    expect(await limits.take(rule, 'a:b*[c]')).toMatchObject({ allowed: false });
  });

  test('nobody but an operator may flush, look at all keys, or change settings', async () => {
    for (const { instance, user } of redisGrants) {
      const client = new Redis(urlOf(instance, user));
      for (const command of [['FLUSHALL'], ['KEYS', '*'], ['CONFIG', 'GET', '*'], ['ACL', 'LIST'], ['SHUTDOWN']])
        await expect(client.call(...(command as [string, ...string[]]))).rejects.toThrow(/NOPERM/);
      client.disconnect();
    }
  });
});
