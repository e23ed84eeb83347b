import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import { infraDirOf } from './config.ts';
import { DemoError } from './demo-error.ts';
import type { Host } from './host.ts';

const infraDir = infraDirOf();
/** Where the demo's services keep certificates and logs: `demo` beside `infra`. */
const servicesDir = join(dirname(infraDir), basename(infraDir).replace('infra', 'demo'));

/** The demo's own place on the engines, beside that of services that run there. */
const own = { MONGODB_DATABASE: 'caas_demo', KAFKA_PREFIX: 'demo-', OPENSEARCH_PREFIX: 'demo-' };
const used = ['gateway', 'auth', 'socket', 'persistence', 'crypto', 'media', 'compliance', 'search'] as const;

/** They log each request, so that a trace can be followed. */
const settings = {
  ...Object.fromEntries(used.map((service) => [service, { LOG_LEVEL: 'debug' }])),
  'socket-1': { SOCKET_NODE_ID: 'demo-1' },
  'socket-2': { SOCKET_NODE_ID: 'demo-2' },
};

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
  if (envs.get('search')?.['OPENSEARCH_URL'] === undefined)
    throw new DemoError(
      'no search engine is known: start `npm run infra` with all engines, or with --only …,opensearch',
    );
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
    settings,
    onLost: (how) => lost.push(how),
  });
  try {
    const { distributedRecords } = await import('./distributed-records.ts');
    const { records, close: closeRecords } = await distributedRecords(
      { ...(await variablesIn('env')), ...own },
      services,
    );
    const app = await services.createApp(`demo-${Date.now().toString(36)}`);
    const processes = services.processes.map(({ plan, pid }) => `${plan.name} (${pid})`).join(', ');
    return {
      access: { gatewayUrl: services.gatewayUrl, ...app, from: 'the demo' },
      records,
      told: `${processes}: processes with mutual TLS between them, on the Kafka, MongoDB stand-in, Redis and OpenSearch of \`npm run infra\`; ended with the demo, logs in ${servicesDir}/logs`,
      async disturb() {
        const keys = await emptyRedis(await variablesIn('env'));
        return `FLUSHALL on all five Redis: ${keys} keys are gone`;
      },
      async close() {
        await closeRecords();
        await services.stop();
        if (lost.length > 0) throw new DemoError(lost.join('\n'));
      },
    };
  } catch (thrown) {
    await services.stop();
    throw thrown;
  }
};
