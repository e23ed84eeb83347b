import { join } from 'node:path';
import type { EventLog } from '@caas/event-log';
import { openKafkaEventLog } from '@caas/event-log/kafka';
import { type EngineProcess, type Engines, freePorts, type Services, startEngines, startServices } from '@caas/infra';
import { createGrpcClient, mutualTls } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { openMongoMessageStore } from '@caas/message-store/mongo';
import { KeyServiceService } from '@caas/proto/caas/crypto/v1/key_service';
import { Proxies } from './proxies.ts';
import type { StoreView } from './store-view.ts';

/** What is judged: the system with a way in, and its store to look into. */
export interface Target {
  readonly gatewayUrl: string;
  readonly socketUrls: readonly string[];
  createApp(tenantId: string): Promise<{ appId: string; appSecret: string }>;
  /** The documents, by the side of all services, and what opens them. */
  openStore(): Promise<StoreView & { close(): Promise<void> }>;
}

/** Services as processes on real engines, with a proxy on every way between them. */
export interface World extends Target {
  /** Its folder. */
  readonly dir: string;
  /** Whether OpenSearch and the search service are there. */
  readonly searches: boolean;
  readonly engines: Engines;
  readonly services: Services;
  readonly proxies: Proxies;
  /** A service or an engine. */
  process(name: string): EngineProcess;
  /** The log, by the side of all services. */
  openLog(): Promise<EventLog>;
  stop(): Promise<void>;
}

export interface WorldOptions {
  /** Folder of data, logs and secrets; emptied. */
  dir: string;
  /** Tree whose services are run. Default this one. */
  root?: string;
  /** What the engines lack may be installed. */
  install?: boolean;
  /** With OpenSearch and the search service, which most cells don't need. */
  searches?: boolean;
  say(line: string): void;
}

/** Limits of users that no test comes near, and drains that don't take long. */
const settings = {
  gateway: {
    GATEWAY_TOKENS_PER_ADDRESS: '1000000',
    GATEWAY_TOKENS_PER_APP: '1000000',
    GATEWAY_REQUESTS_PER_ADDRESS: '1000000',
    GATEWAY_DRAIN: '1000',
  },
  socket: {
    SOCKET_SENDS_PER_SECOND: '1000',
    SOCKET_SENDS_BURST: '10000',
    SOCKET_FRAMES_PER_MINUTE: '60000',
    SOCKET_CONNECTIONS_PER_USER: '100',
    SOCKET_DRAIN: '2000',
  },
};

/** Which services reach which engines through a proxy of their own. */
const engineLinks = [
  ['socket', 'mongodb', 'MONGODB_URL'],
  ['persistence', 'mongodb', 'MONGODB_URL'],
  ['auth', 'mongodb', 'MONGODB_URL'],
  ['crypto', 'mongodb', 'MONGODB_URL'],
  ['media', 'mongodb', 'MONGODB_URL'],
  ['socket', 'redis', 'REDIS_SOCKET_URL'],
  ['persistence', 'redis', 'REDIS_SOCKET_URL'],
  ['gateway', 'redis', 'REDIS_GATEWAY_URL'],
] as const;
const kafkaClients = ['socket', 'persistence'] as const;
/** Between services, and of users to nodes. */
const otherLinks = [
  'gateway-auth',
  'socket-auth',
  'socket-compliance',
  'socket-crypto',
  'socket-media',
  'media-crypto',
  'socket-search',
  'search-crypto',
  'compliance-auth',
  'compliance-crypto',
  'compliance-media',
  'compliance-search',
  'user-socket-1',
  'user-socket-2',
];
/** Ports for all proxies, and for Kafka's listeners behind theirs. */
const portCount = 2 * kafkaClients.length + engineLinks.length + otherLinks.length;

type Ports = () => number;

const proxyEngines = async (engines: Engines, proxies: Proxies, nextPort: Ports) => {
  const envs = new Map<string, Record<string, string>>();
  for (const service of [
    'gateway',
    'auth',
    'socket',
    'persistence',
    'crypto',
    'media',
    'compliance',
    'search',
  ] as const)
    envs.set(service, { ...engines.envOf(service) });
  for (const [service, engine, variable] of engineLinks) {
    const env = envs.get(service) as Record<string, string>;
    const url = new URL(env[variable] as string);
    const port = nextPort();
    await proxies.add(`${service}-${engine}`, port, url.host);
    url.port = String(port);
    // Else the driver asks the server where it is, and goes there past the proxy.
    if (engine === 'mongodb') url.searchParams.set('directConnection', 'true');
    env[variable] = url.href;
  }
  return envs;
};

export const startWorld = async ({
  dir,
  root,
  install = false,
  searches = false,
  say,
}: WorldOptions): Promise<World> => {
  const ports = await freePorts(portCount);
  const nextPort: Ports = () => {
    const port = ports.shift();
    if (port === undefined) throw new Error('portCount is too small');
    return port;
  };
  const kafkaLinks = kafkaClients.map((client) => ({
    name: client.toUpperCase(),
    port: nextPort(),
    advertisedPort: nextPort(),
  }));
  const engines = await startEngines({
    only: ['kafka', 'redis', 'mongodb', 'toxiproxy', ...(searches ? (['opensearch'] as const) : [])],
    dataDir: join(dir, 'engines'),
    ports: 'free',
    fresh: true,
    install,
    kafkaLinks,
    onProgress: say,
    onLost: say,
  });
  try {
    const proxies = new Proxies(engines.env['TOXIPROXY_URL'] as string);
    const envs = await proxyEngines(engines, proxies, nextPort);
    for (const [i, client] of kafkaClients.entries()) {
      const { port, advertisedPort } = kafkaLinks[i] as (typeof kafkaLinks)[number];
      await proxies.add(`${client}-kafka`, advertisedPort, `127.0.0.1:${port}`);
      (envs.get(client) as Record<string, string>)['KAFKA_BROKERS'] = `127.0.0.1:${advertisedPort}`;
    }
    const services = await startServices({
      envOf: (service) => envs.get(service) ?? {},
      dataDir: join(dir, 'services'),
      workers: 2,
      settings,
      ...(root !== undefined && { root }),
      route: async (from, to, address) => {
        const port = nextPort();
        await proxies.add(`${from}-${to}`, port, address);
        return `127.0.0.1:${port}`;
      },
      onLost: say,
    });
    const socketUrls: string[] = [];
    for (const [i, url] of services.socketUrls.entries()) {
      const port = nextPort();
      await proxies.add(`user-socket-${i + 1}`, port, new URL(url).host);
      socketUrls.push(`ws://127.0.0.1:${port}`);
    }
    return worldOf({ dir, searches, engines, services, proxies, socketUrls });
  } catch (thrown) {
    await engines.stop();
    throw thrown;
  }
};

type Parts = Pick<World, 'dir' | 'searches' | 'engines' | 'services' | 'proxies' | 'socketUrls'>;

const worldOf = ({ engines, services, ...parts }: Parts): World => ({
  ...parts,
  engines,
  services,
  gatewayUrl: services.gatewayUrl,
  createApp: (tenantId) => services.createApp(tenantId),
  process: (name) =>
    [...engines.processes, ...services.processes].find(({ plan }) => plan.name === name) ?? absent(name),
  openStore: async () => {
    const store = await openMongoMessageStore({ url: engines.env['MONGODB_URL'] as string });
    const keys = createGrpcClient(KeyServiceService, {
      address: `127.0.0.1:${services.process('crypto').plan.port}`,
      auth: mutualTls({ dir: join(parts.dir, 'services', 'certs'), service: 'socket' }),
      callerName: 'socket',
      logger: createLogger({ service: 'failure', level: 'silent' }),
    });
    const close = async (): Promise<void> => {
      keys.close();
      await store.close();
    };
    return { store, keys, close };
  },
  openLog: () =>
    openKafkaEventLog({
      connection: { brokers: [engines.env['KAFKA_BROKERS'] as string] },
      onFault: () => undefined,
    }),
  async stop() {
    await services.stop();
    await engines.stop();
  },
});

const absent = (name: string): never => {
  throw new Error(`there is no process ${name}`);
};
