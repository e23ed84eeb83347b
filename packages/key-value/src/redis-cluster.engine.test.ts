import { randomUUID } from 'node:crypto';
import type { CaasError } from '@caas/kit';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { keyValueContract, nodeInboxContract, rateLimitsContract } from './contract.ts';
import { openRedisKeyValue, openRedisNodeInbox, openRedisRateLimits } from './index.ts';
import { startRedisCluster } from './testing/redis-cluster.ts';
import type { RedisServer } from './testing/redis-server.ts';

const commandTimeoutMs = 500;
let nodes: RedisServer[] = [];
beforeAll(async () => {
  nodes = await startRedisCluster();
}, 30_000);
afterAll(async () => {
  for (const node of nodes) await node.dispose();
});

const options = () => ({
  urls: nodes.map(({ url }) => url),
  keyPrefix: `test-${randomUUID()}:`,
  commandTimeoutMs,
  onFault: () => undefined,
});

keyValueContract('Redis Cluster', () => openRedisKeyValue(options()));
nodeInboxContract('Redis Cluster', () => openRedisNodeInbox(options()));
rateLimitsContract('Redis Cluster', () => openRedisRateLimits(options()));

test('one seed is enough where it is said to be a Cluster, and calls may name keys of all nodes', async () => {
  const store = await openRedisKeyValue({ ...options(), urls: [nodes[1]?.url ?? ''], cluster: true });
  const keys = Array.from({ length: 100 }, (_, i) => `key${i}`);
  await Promise.all(keys.map((key) => store.set(key, Buffer.from(key), 60_000)));
  expect((await store.getMany(keys)).map(String)).toEqual(keys);
  const entries = keys.map((key) => ({ key: `set:${key}`, member: 'm' }));
  expect(await store.addToSets(entries, 60_000)).toEqual(keys.map(() => true));
  expect(await store.membersOf(entries.map(({ key }) => key))).toEqual(keys.map(() => ['m']));
  await store.close();
});

test('a node that dies and comes back: calls end in time, envelopes keep their order, nothing is left deaf', async () => {
  const shared = options();
  const store = await openRedisKeyValue(shared);
  const sender = await openRedisNodeInbox(shared);
  const receiver = await openRedisNodeInbox(shared);
  const nodeIds = Array.from({ length: 12 }, (_, i) => `node-${i}`);
  const heard = new Map<string, number[]>(nodeIds.map((nodeId) => [nodeId, []]));
  for (const nodeId of nodeIds)
    await receiver.listen(nodeId, (envelope) => heard.get(nodeId)?.push(Buffer.from(envelope).readUInt32BE()));
  let number = 0;
  /** One envelope to each node; how long the slowest answer took, in milliseconds. */
  const sendAll = async (): Promise<number> => {
    const begun = performance.now();
    const envelope = Buffer.alloc(4);
    envelope.writeUInt32BE(number++);
    const work = [...nodeIds.map((id) => sender.send(id, envelope)), store.getMany(nodeIds)];
    for (const result of await Promise.allSettled(work))
      if (result.status === 'rejected') expect((result.reason as CaasError).reason).toBe('UNAVAILABLE');
    return performance.now() - begun;
  };
  await sendAll();
  await nodes[2]?.kill();
  let slowest = 0;
  const deadUntil = Date.now() + 1_500;
  while (Date.now() < deadUntil) slowest = Math.max(slowest, await sendAll());
  expect(slowest).toBeLessThan(commandTimeoutMs + 300);
  await nodes[2]?.start();

  const begun = performance.now();
  const resumedAt = number;
  let reads = 'none';
  for (;;) {
    await sendAll();
    reads = await store.getMany(nodeIds).then(
      () => 'work',
      (thrown: unknown) => String(thrown),
    );
    const allHear = nodeIds.every((id) => (heard.get(id)?.at(-1) ?? 0) >= resumedAt);
    if (allHear && reads === 'work') break;
    if (performance.now() - begun > 20_000) throw new Error(`a node stayed deaf or away: ${reads}`);
  }
  console.info(`all nodes hear and answer again after ${Math.round(performance.now() - begun)} ms`);
  for (const numbers of heard.values()) expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  await Promise.all([store.close(), sender.close(), receiver.close()]);
}, 40_000);
