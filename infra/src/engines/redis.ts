import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasVersion } from '../command.ts';
import { type Engine, type EngineUser, engineUsers, type ProcessPlan, type Site } from '../engine.ts';
import { answerOf } from '../port-check.ts';

const folder = join(import.meta.dirname, '../../redis');

/**
 * The five Redis. Those that hold what only its owner can write anew refuse writes when full, and the owner hears of it;
 * those that are caches drop what was used least.
 */
export const redisInstances = {
  'redis-gateway': { port: 6379, maxMemory: '256mb', policy: 'noeviction', for: 'sessions, rate limits' },
  'redis-socket': { port: 6380, maxMemory: '512mb', policy: 'noeviction', for: 'connections, presence, inboxes' },
  'redis-shared': { port: 6381, maxMemory: '512mb', policy: 'allkeys-lru', for: 'conversation metadata, cache' },
  'redis-compliance': { port: 6382, maxMemory: '256mb', policy: 'noeviction', for: 'audit buffers, GDPR jobs' },
  'redis-crypto': { port: 6383, maxMemory: '256mb', policy: 'allkeys-lru', for: 'key cache, crypto metadata' },
} as const;

/** REDIS_GATEWAY_URL and so on. */
export const redisVariable = (instance: string): string => `${instance.toUpperCase().replace('-', '_')}_URL`;

/** Who may log in at an instance, as its ACL file says. */
export const redisUsers = async (instance: string): Promise<string[]> => {
  const acl = await readFile(join(folder, `${instance}.acl`), 'utf8');
  return [...acl.matchAll(/^user (\S+) .*\bon\b/gm)].map(([, user]) => user as string);
};

const plan = async ({ dataDir, ports, secrets }: Site): Promise<ProcessPlan[]> =>
  Promise.all(
    Object.entries(redisInstances).map(async ([name, instance]): Promise<ProcessPlan> => {
      const port = ports[name] as number;
      const dir = join(dataDir, name);
      await mkdir(dir, { recursive: true, mode: 0o700 });
      return {
        name,
        about: `Redis, ${instance.maxMemory}: ${instance.for}`,
        port,
        command: ['sh', join(folder, 'start.sh'), name],
        env: {
          ...secrets,
          REDIS_PORT: String(port),
          REDIS_BIND: '127.0.0.1',
          REDIS_DIR: dir,
          REDIS_MAXMEMORY: instance.maxMemory,
          REDIS_POLICY: instance.policy,
        },
        isReady: async () => (await answerOf(port, 'PING\r\n'))?.startsWith('-NOAUTH') ?? false,
      };
    }),
  );

const env = async ({ ports, secrets }: Site, user: EngineUser): Promise<Record<string, string>> => {
  const urls: Record<string, string> = {};
  for (const name of Object.keys(redisInstances))
    if ((await redisUsers(name)).includes(user))
      urls[redisVariable(name)] =
        `redis://${user}:${secrets[`REDIS_PASSWORD_${user.toUpperCase()}`]}@127.0.0.1:${ports[name]}`;
  return urls;
};

/** Redis of the machine: it has no pinned version, only a least one, that of the ACL rules. */
export const redis: Engine = {
  name: 'redis',
  users: engineUsers,
  ports: Object.fromEntries(Object.entries(redisInstances).map(([name, { port }]) => [name, port])),
  tools: [
    {
      what: 'redis-server 7.0 or later',
      debian: 'redis-server',
      isThere: () => hasVersion('redis-server', ['--version'], { from: 7 }),
    },
  ],
  isInstalled: async () => true,
  install: async () => undefined,
  plan,
  env,
};
