import { Redis } from 'ioredis';
import { freePort, type RedisServer, startRedis } from './redis-server.ts';

/** Slots of a Redis Cluster. */
const slots = 16_384;
/** How long the nodes may take to agree, in milliseconds. */
const agreeTimeoutMs = 20_000;

/** Starts a Redis Cluster of three nodes without replicas, of a test's own. */
export const startRedisCluster = async (): Promise<RedisServer[]> => {
  const nodes: RedisServer[] = [];
  try {
    for (let i = 0; i < 3; i += 1) {
      const busPort = await freePort();
      const args = ['--cluster-enabled', 'yes', '--cluster-port', `${busPort}`, '--cluster-node-timeout', '1000'];
      nodes.push(await startRedis({ args: [...args, '--cluster-config-file', 'nodes.conf'] }));
      await join(nodes, busPort, i);
    }
    await Promise.all(nodes.map(agreed));
    return nodes;
  } catch (thrown) {
    for (const node of nodes) await node.dispose();
    throw thrown;
  }
};

const join = async (nodes: readonly RedisServer[], busPort: number, i: number): Promise<void> => {
  const [first, last] = [nodes[0], nodes[i]] as [RedisServer, RedisServer];
  const client = new Redis(last.url);
  await client.call('CLUSTER', 'ADDSLOTSRANGE', Math.floor((i * slots) / 3), Math.floor(((i + 1) * slots) / 3) - 1);
  client.disconnect();
  const seed = new Redis(first.url);
  if (i > 0) await seed.call('CLUSTER', 'MEET', '127.0.0.1', last.port, busPort);
  seed.disconnect();
};

const agreed = async ({ url }: RedisServer): Promise<void> => {
  const client = new Redis(url);
  const deadline = Date.now() + agreeTimeoutMs;
  while (!/cluster_state:ok[\s\S]*cluster_known_nodes:3/.test(String(await client.call('CLUSTER', 'INFO')))) {
    if (Date.now() > deadline) throw new Error('the nodes of the Redis Cluster did not agree');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  client.disconnect();
};
