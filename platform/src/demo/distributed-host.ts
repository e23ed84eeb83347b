import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { DemoError } from './demo-error.ts';
import type { Host } from './host.ts';

/** Where `npm run infra` says how its engines are reached. */
const infraDir = '.cache/infra';
/** Where the demo's services keep certificates and logs. */
const servicesDir = '.cache/demo';

/** The demo's own place on the engines, beside that of services that run there. */
const own = { MONGODB_DATABASE: 'caas_demo', KAFKA_PREFIX: 'demo-' };
const nodeIds = { 'socket-1': { SOCKET_NODE_ID: 'demo-1' }, 'socket-2': { SOCKET_NODE_ID: 'demo-2' } };

const used = ['gateway', 'auth', 'socket', 'persistence', 'crypto', 'media', 'compliance', 'search'] as const;

const variablesIn = async (file: string): Promise<Record<string, string>> =>
  parseEnv(await readFile(join(infraDir, file), 'utf8')) as Record<string, string>;

const environments = async (): Promise<Map<string, Record<string, string>>> => {
  try {
    const envs = used.map(async (name) => [name, { ...(await variablesIn(`env.${name}`)), ...own }] as const);
    return new Map(await Promise.all(envs));
  } catch {
    throw new DemoError(
      'no engines are known: start them with `npm run infra` in another terminal, and wait for its table',
    );
  }
};

/** Every service as a process of its own, on the engines of `npm run infra`; ended when the demo ends. */
export const distributedHost = async (): Promise<Host> => {
  const envs = await environments();
  // Loaded only when asked for.
  const { emptyRedis, startServices } = await import('@caas/infra');
  const { checkTopics, topicsConfig } = await import('@caas/event-log/kafka');
  await checkTopics({ ...topicsConfig(envs.get('socket')), tell: () => undefined }, false).catch((cause: unknown) => {
    throw new DemoError('Kafka does not answer: is `npm run infra` still up?', { cause });
  });
  const lost: string[] = [];
  const services = await startServices({
    envOf: (service) => envs.get(service) ?? {},
    dataDir: servicesDir,
    settings: nodeIds,
    onLost: (how) => lost.push(how),
  });
  try {
    const app = await services.createApp(`demo-${Date.now().toString(36)}`);
    const processes = services.processes.map(({ plan, pid }) => `${plan.name} (${pid})`).join(', ');
    return {
      access: { gatewayUrl: services.gatewayUrl, ...app, from: 'the demo' },
      told: `${processes}: processes with mutual TLS between them, on the Kafka, MongoDB stand-in and Redis of \`npm run infra\`; ended with the demo, logs in ${servicesDir}/logs`,
      async disturb() {
        const keys = await emptyRedis(await variablesIn('env'));
        return `FLUSHALL on all five Redis: ${keys} keys are gone`;
      },
      async close() {
        await services.stop();
        if (lost.length > 0) throw new DemoError(lost.join('\n'));
      },
    };
  } catch (thrown) {
    await services.stop();
    throw thrown;
  }
};
