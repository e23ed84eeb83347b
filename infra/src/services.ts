/** The services of CAAS as processes of their own, on distributed engines and with mutual TLS between them. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createGrpcClient, type GrpcClient, mutualTls, operator, type ServiceDefinition } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { TenantServiceService } from '@caas/proto/caas/auth/v1/tenant_service';
import { makeCertificates } from './certs.ts';
import type { ProcessPlan } from './engine.ts';
import { EngineProcess, endOrphan } from './engine-process.ts';
import { freePorts } from './port-check.ts';

export interface ServiceOptions {
  /** Variables that lead a service to the engines it uses. */
  envOf(service: string): Readonly<Record<string, string>>;
  /** Folder of certificates, the root key and logs. */
  dataDir: string;
  /** Number of socket nodes; default 2. */
  nodes?: number;
  /** Number of persistence workers; default 1. */
  workers?: number;
  /** Folder of the tree whose services are run; default this one. */
  root?: string;
  /** Answers where a service is to reach another one: what passes the connections on. Default: directly. */
  route?(from: string, to: string, address: string): string | Promise<string>;
  /** Further variables of a service, by its name or that of its process (`socket-1`). */
  settings?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Told when a process ends that nobody told to. */
  onLost?(how: string): void;
}

export interface Services {
  readonly gatewayUrl: string;
  /** Where the nodes listen. */
  readonly socketUrls: readonly string[];
  readonly processes: readonly EngineProcess[];
  /** `host:port` of compliance's gRPC. */
  readonly complianceAddress: string;
  /** One process: auth, persistence-1 …, crypto, media, compliance, search, socket-1 …, gateway. */
  process(name: string): EngineProcess;
  /** A client of a service as an operator has it; the caller closes it. */
  asOperator<S extends ServiceDefinition>(definition: S, address: string): GrpcClient<S>;
  /** Makes a tenant with an app, as an operator does. */
  createApp(tenantId: string): Promise<{ appId: string; appSecret: string }>;
  /** Ends all in good order: the edges first. */
  stop(): Promise<void>;
}

interface Ports {
  gateway: number;
  auth: number;
  compliance: number;
  sockets: number[];
  /** gRPC of the nodes. */
  nodes: number[];
  /** gRPC of the workers. */
  workers: number[];
  /** gRPC of the gateway. */
  gatewayGrpc: number;
  /** gRPC of crypto. */
  crypto: number;
  /** gRPC of media, and the port its bytes go through. */
  media: number;
  mediaHttp: number;
  /** gRPC of search. */
  search: number;
}

const portsFor = async (nodes: number, workers: number): Promise<Ports> => {
  const [
    gateway = 0,
    auth = 0,
    gatewayGrpc = 0,
    crypto = 0,
    compliance = 0,
    search = 0,
    media = 0,
    mediaHttp = 0,
    ...others
  ] = await freePorts(8 + 2 * nodes + workers);
  return {
    gateway,
    auth,
    compliance,
    gatewayGrpc,
    crypto,
    media,
    mediaHttp,
    search,
    sockets: others.splice(0, nodes),
    nodes: others.splice(0, nodes),
    workers: others,
  };
};

const local = (port: number | undefined): string => `127.0.0.1:${port}`;

/** Each process with what it is told beside its engines. */
const environments = async (
  ports: Ports,
  secrets: { hashKey: string; operatorToken: string },
  dataDir: string,
  route: NonNullable<ServiceOptions['route']>,
  hasSearch: boolean,
) => {
  const CAAS_AUDIT_DIR = join(dataDir, 'audit');
  const authFor = (from: string) => route(from, 'auth', local(ports.auth));
  const [authOfNodes, authOfGateway] = [await authFor('socket'), await authFor('gateway')];
  const complianceOfNodes = await route('socket', 'compliance', local(ports.compliance));
  const cryptoOfNodes = await route('socket', 'crypto', local(ports.crypto));
  const mediaOfNodes = await route('socket', 'media', local(ports.media));
  const cryptoOfMedia = await route('media', 'crypto', local(ports.crypto));
  const fromCompliance = (to: string, port: number) => route('compliance', to, local(port));
  const privacy = {
    COMPLIANCE_AUTH_ADDRESS: await fromCompliance('auth', ports.auth),
    COMPLIANCE_CRYPTO_ADDRESS: await fromCompliance('crypto', ports.crypto),
    COMPLIANCE_MEDIA_ADDRESS: await fromCompliance('media', ports.media),
    ...(hasSearch && { COMPLIANCE_SEARCH_ADDRESS: await fromCompliance('search', ports.search) }),
  };
  const cryptoOfSearch = await route('search', 'crypto', local(ports.crypto));
  const searchOfNodes = await route('socket', 'search', local(ports.search));
  const search = {
    name: 'search',
    service: 'search',
    port: ports.search,
    env: {
      SEARCH_GRPC_ADDRESS: local(ports.search),
      SEARCH_CRYPTO_ADDRESS: cryptoOfSearch,
      CAAS_OPERATOR_TOKEN: secrets.operatorToken,
    },
  };
  const urls = ports.sockets.map((port) => `ws://${local(port)}`);
  const nodes = ports.sockets.map((port, i) => ({
    name: `socket-${i + 1}`,
    service: 'socket',
    port,
    env: {
      SOCKET_NODE_ID: `socket-${i + 1}`,
      SOCKET_PORT: String(port),
      SOCKET_GRPC_ADDRESS: local(ports.nodes[i]),
      SOCKET_AUTH_ADDRESS: authOfNodes,
      SOCKET_COMPLIANCE_ADDRESS: complianceOfNodes,
      SOCKET_CRYPTO_ADDRESS: cryptoOfNodes,
      SOCKET_MEDIA_ADDRESS: mediaOfNodes,
      CAAS_HASH_KEY: secrets.hashKey,
      CAAS_AUDIT_DIR,
      ...(hasSearch && { SOCKET_SEARCH_ADDRESS: searchOfNodes }),
    },
  }));
  return [
    {
      name: 'auth',
      service: 'auth',
      port: ports.auth,
      env: {
        AUTH_GRPC_ADDRESS: local(ports.auth),
        AUTH_ROOT_KEY_FILE: join(dataDir, 'root.key'),
        CAAS_OPERATOR_TOKEN: secrets.operatorToken,
        CAAS_AUDIT_DIR,
      },
    },
    ...ports.workers.map((port, i) => ({
      name: `persistence-${i + 1}`,
      service: 'persistence',
      port,
      env: { PERSISTENCE_GRPC_ADDRESS: local(port) },
    })),
    {
      name: 'crypto',
      service: 'crypto',
      port: ports.crypto,
      env: {
        CRYPTO_GRPC_ADDRESS: local(ports.crypto),
        CRYPTO_VAULT_FILE: join(dataDir, 'vault.json'),
        CAAS_OPERATOR_TOKEN: secrets.operatorToken,
      },
    },
    {
      name: 'media',
      service: 'media',
      port: ports.media,
      env: {
        MEDIA_PORT: String(ports.mediaHttp),
        MEDIA_GRPC_ADDRESS: local(ports.media),
        MEDIA_CRYPTO_ADDRESS: cryptoOfMedia,
        MEDIA_FOLDER: join(dataDir, 'media'),
        MEDIA_WORK_DIR: join(dataDir, 'media-work'),
        CAAS_HASH_KEY: secrets.hashKey,
      },
    },
    {
      name: 'compliance',
      service: 'compliance',
      port: ports.compliance,
      env: {
        COMPLIANCE_GRPC_ADDRESS: local(ports.compliance),
        COMPLIANCE_ROOT_KEY_FILE: join(dataDir, 'compliance.key'),
        ...privacy,
        CAAS_OPERATOR_TOKEN: secrets.operatorToken,
        CAAS_AUDIT_DIR,
      },
    },
    ...(hasSearch ? [search] : []),
    ...nodes,
    {
      name: 'gateway',
      service: 'gateway',
      port: ports.gateway,
      env: {
        GATEWAY_PORT: String(ports.gateway),
        GATEWAY_GRPC_ADDRESS: local(ports.gatewayGrpc),
        GATEWAY_AUTH_ADDRESS: authOfGateway,
        ...Object.fromEntries(urls.map((url, i) => [`SOCKET_SERVICE_${i + 1}_URL`, url])),
      },
    },
  ];
};

/** As `npm run service` starts them; the client of Kafka prints that warning once a process. */
const nodeOptions = ['-C', '@caas/source', '--disable-warning=TimeoutNegativeWarning'];
const ownRoot = join(import.meta.dirname, '../..');

const planOf = (
  { name, service, port, env }: Awaited<ReturnType<typeof environments>>[number],
  { envOf, settings = {}, root = ownRoot }: ServiceOptions,
  tlsDir: string,
): ProcessPlan => ({
  name,
  about: `service ${service}`,
  port,
  command: [process.execPath, ...nodeOptions, join(root, 'scripts/service.ts'), service],
  cwd: root,
  // Whatever level this shell asks for: the log tells when it listens.
  env: { LOG_LEVEL: 'info', ...envOf(service), CAAS_TLS_DIR: tlsDir, ...env, ...settings[service], ...settings[name] },
  isReady: (log) => log.includes(' listens"'),
});

/** Starts them on free ports of 127.0.0.1 and resolves when all listen. */
export const startServices = async (options: ServiceOptions): Promise<Services> => {
  const dataDir = resolve(options.dataDir);
  const [tlsDir, logs, run] = [join(dataDir, 'certs'), join(dataDir, 'logs'), join(dataDir, 'run')];
  for (const folder of [dataDir, logs, run]) await mkdir(folder, { recursive: true, mode: 0o700 });
  await makeCertificates(tlsDir);
  const secrets = { hashKey: randomBytes(24).toString('hex'), operatorToken: randomBytes(24).toString('hex') };
  const ports = await portsFor(options.nodes ?? 2, options.workers ?? 1);
  const processes: EngineProcess[] = [];
  const killNow = (): void => {
    for (const each of processes) each.killNow();
  };
  const stop = async (): Promise<void> => {
    for (const each of processes.toReversed()) await each.stop();
    process.off('exit', killNow);
  };
  process.once('exit', killNow);
  const route = options.route ?? ((_from, _to, address) => address);
  // Where there is no engine for it there is no search; all else goes without.
  const hasSearch = options.envOf('search')['OPENSEARCH_URL'] !== undefined;
  for (const environment of await environments(ports, secrets, dataDir, route, hasSearch)) {
    await endOrphan(join(run, `${environment.name}.json`));
    const each = new EngineProcess(planOf(environment, options, tlsDir), { logs, run });
    each.onLost = options.onLost;
    processes.push(each);
  }
  try {
    await Promise.all(processes.map((each) => each.start()));
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  const asOperator = <S extends ServiceDefinition>(definition: S, address: string): GrpcClient<S> =>
    createGrpcClient(definition, {
      address,
      auth: mutualTls({ dir: tlsDir, service: operator, operatorToken: secrets.operatorToken }),
      callerName: operator,
      logger: createLogger({ service: operator, level: 'silent' }),
    });
  return {
    gatewayUrl: `http://${local(ports.gateway)}`,
    socketUrls: ports.sockets.map((port) => `ws://${local(port)}`),
    complianceAddress: local(ports.compliance),
    processes,
    process(name) {
      const found = processes.find((each) => each.plan.name === name);
      if (!found) throw new Error(`no process ${name} was started`);
      return found;
    },
    asOperator,
    async createApp(tenantId) {
      const tenants = asOperator(TenantServiceService, local(ports.auth));
      try {
        await tenants.createTenant({ tenantId, name: tenantId, limits: undefined, allowedOrigins: [] });
        const { appId, appSecret } = await tenants.createApp({ tenantId, name: 'app' });
        return { appId, appSecret };
      } finally {
        tenants.close();
      }
    },
    stop,
  };
};
