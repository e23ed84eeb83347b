import { join } from 'node:path';
import { createAuth, rootKeyFromFile } from '@caas/auth';
import { createCompliance, privacyClients } from '@caas/compliance';
import { openAuditWriter } from '@caas/compliance-client/audit';
import { keySource } from '@caas/compliance-client/keys';
import { createCrypto } from '@caas/crypto';
import type { EventLog } from '@caas/event-log';
import { createGateway } from '@caas/gateway';
import { memoryKeyValue, memoryNodeInbox, memoryRateLimits } from '@caas/key-value';
import { newSecret } from '@caas/kit';
import { sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger, type LoggerOptions } from '@caas/kit/log';
import { createMedia } from '@caas/media';
import { servePersistence } from '@caas/persistence';
import {
  authClients,
  createSocketNode,
  type Limits,
  mediaClient,
  type NodeBounds,
  policyClient,
  type SocketNode,
  searchClient,
} from '@caas/socket';
import type { PlatformConfig } from './config.ts';
import { prepareDataFolder } from './data-folder.ts';
import { type EmbeddedEngines, openEngines } from './engines.ts';
import { openKeyEngines } from './key-engines.ts';
import { openMediaEngines } from './media-engines.ts';
import { type Restartable, restartable } from './restartable.ts';
import { startSearch } from './search.ts';
import { hashKeyOf, readDevelopmentSecret, writeDevelopmentEnv } from './secrets.ts';
import { type ServicesConfig, servicesConfig } from './services-config.ts';

/** The engines whose failures tests bring about. */
export type Engines = EmbeddedEngines;

export interface PlatformOptions
  extends Omit<PlatformConfig, 'operatorToken' | 'vaultPassphrase' | 'search' | 'services' | 'unusedEngines'> {
  /** The services' own settings; the defaults without. */
  services?: ServicesConfig;
  /** Whether messages are indexed and searches served; they are without. */
  search?: boolean;
  /** Limits of users that differ from the settings, for benches and tests. */
  limits?: Partial<Limits>;
  bounds?: Partial<NodeBounds>;
  /** Makes `services` crashable, at the cost of a proxy before each port. */
  crashable?: boolean;
  /** Proves an operator's calls to auth; without it there are none. */
  operatorToken?: string | undefined;
  /** Seals the root keys of content; without it a key file beside them does. */
  vaultPassphrase?: string | undefined;
  /** Where log lines go; standard output without. */
  logDestination?: LoggerOptions['destination'];
  /** Puts something between the services and their engines, for tests of what happens when those fail. */
  between?: (engines: Engines) => Engines;
}

export interface Platform {
  readonly gatewayUrl: string;
  /** Where the nodes listen; clients are told others where the settings name some. */
  readonly socketUrls: readonly string[];
  readonly authAddress: string;
  readonly cryptoAddress: string;
  readonly mediaAddress: string;
  /** Where media's bytes come in and go out. */
  readonly mediaUrl: string;
  readonly complianceAddress: string;
  /** The development app; undefined when it was not made. */
  readonly app: { appId: string; appSecret: string } | undefined;
  /** Services that can be crashed and started anew inside the process: socket-1, socket-2 …, persistence, crypto, media, compliance. */
  readonly services: ReadonlyMap<string, Restartable>;
  /** Empties the shared key-value state at once, as FLUSHALL on every Redis would. */
  flushSharedState(): void;
  /** Resolves when the signal has aborted and everything has stopped; rejects when a service failed. */
  run(signal: AbortSignal): Promise<void>;
}

const defaultServices = (): ServicesConfig => ({
  auth: servicesConfig.auth({}),
  gateway: servicesConfig.gateway({}),
  socket: servicesConfig.socket({}),
  persistence: servicesConfig.persistence({}),
  crypto: servicesConfig.crypto({}),
  media: servicesConfig.media({}),
  compliance: servicesConfig.compliance({}),
  search: servicesConfig.search({}),
});

/** All services in one process on the embedded engines; listening when this resolves. */
export const startPlatform = async (options: PlatformOptions): Promise<Platform> => {
  const { dataDir, host, logLevel, logDestination, crashable = false, services = defaultServices() } = options;
  await prepareDataFolder(dataDir);
  const loggerOf = (service: string) =>
    createLogger({ service, level: logLevel, ...(logDestination && { destination: logDestination }) });
  const logger = loggerOf('platform');
  const [engines, keyEngines, mediaEngines, rootKey, hashKey, knownSecret] = await Promise.all([
    openEngines(dataDir, { ...services.persistence, search: options.search !== false }, logger),
    openKeyEngines(dataDir, options.vaultPassphrase),
    openMediaEngines(dataDir),
    rootKeyFromFile(join(dataDir, 'keys', 'root.key')),
    hashKeyOf(dataDir),
    readDevelopmentSecret(dataDir),
  ]);
  const { between = (own: Engines) => own, operatorToken } = options;
  const { log, store, accounts, audit, policies, privacy, index } = between(engines);
  const [keyValue, rateLimits] = [memoryKeyValue(), memoryRateLimits()];
  const inbox = memoryNodeInbox({ onFault: (err) => logger.warn({ err }, 'node inbox fault') });
  // Services of one process prove themselves to each other by a token that never leaves it.
  const serviceAuth = sharedTokenAuth({ token: newSecret(), ...(operatorToken !== undefined && { operatorToken }) });

  const writerOf = (service: string, to: EventLog) =>
    openAuditWriter({
      ...services.compliance.audit,
      log: to,
      service,
      folder: join(dataDir, 'audit'),
      logger: loggerOf(service),
    });

  // Without TLS between them the services talk over loopback, wherever the edges listen.
  const grpcAddressOf = (service: number): string =>
    `127.0.0.1:${options.authPort === 0 ? 0 : options.authPort + service}`;
  const auth = await createAuth({
    accounts,
    audit: await writerOf('auth', log),
    rootKey,
    serviceAuth,
    config: { ...services.auth, grpcAddress: grpcAddressOf(0) },
    logger: loggerOf('auth'),
  });
  const app = options.developmentApp
    ? await auth.bootstrapDevelopment({ appSecret: knownSecret ?? newSecret() })
    : undefined;
  if (!app) await auth.closeDevelopment();

  let persistenceGrpc = grpcAddressOf(options.socketPorts.length + 1);
  const persistence = await restartable('persistence', crashable, async (severance) => {
    const started = await servePersistence({
      log: severance.port(log),
      store: severance.port(store),
      keyValue: severance.port(keyValue),
      inbox: severance.port(inbox),
      config: services.persistence,
      logger: loggerOf('persistence'),
      grpcAddress: persistenceGrpc,
      serviceAuth,
    });
    persistenceGrpc = started.grpcAddress;
    return started;
  });
  let cryptoGrpc = grpcAddressOf(options.socketPorts.length + 3);
  const crypto = await restartable('crypto', crashable, async (severance) => {
    const started = await createCrypto({
      store: severance.port(keyEngines.keys),
      vault: severance.port(keyEngines.vault),
      config: { ...services.crypto, grpcAddress: cryptoGrpc },
      logger: loggerOf('crypto'),
      serviceAuth,
    });
    cryptoGrpc = started.address;
    return started;
  });
  const keysOf = (callerName: string) =>
    keySource({ address: crypto.current.address, auth: serviceAuth, callerName, logger: loggerOf(callerName) });
  const [keys, keysOfSearch, mediaKeys] = [keysOf('socket'), keysOf('search'), keysOf('media')];
  let [mediaGrpc, mediaPort] = [grpcAddressOf(options.socketPorts.length + 5), options.mediaPort];
  const media = await restartable('media', crashable, async (severance) => {
    const started = await createMedia({
      store: severance.port(mediaEngines.records),
      objects: severance.port(mediaEngines.objects),
      keys: mediaKeys,
      serviceAuth,
      config: {
        ...services.media,
        host,
        port: mediaPort,
        grpcAddress: mediaGrpc,
        workDir: join(dataDir, 'media-work'),
        drainMs: options.drainMs,
        hashKey,
      },
      logger: loggerOf('media'),
    });
    [mediaGrpc, mediaPort] = [started.address, started.port];
    return started;
  });
  const mediaOfNodes = mediaClient(media.current.address, serviceAuth, loggerOf('socket'));
  const search =
    options.search === false
      ? undefined
      : await startSearch(
          {
            log,
            store,
            index,
            keys: keysOfSearch,
            config: services.search,
            grpcAddress: grpcAddressOf(options.socketPorts.length + 6),
            serviceAuth,
            logger: loggerOf('search'),
          },
          crashable,
        );
  const searches = search && searchClient(search.current.address, serviceAuth, loggerOf('socket'));
  let complianceGrpc = grpcAddressOf(options.socketPorts.length + 4);
  const privacyPeers = privacyClients(
    {
      authAddress: auth.address,
      cryptoAddress: crypto.current.address,
      mediaAddress: media.current.address,
      searchAddress: search?.current.address,
    },
    serviceAuth,
    loggerOf('compliance'),
  );
  const compliance = await restartable('compliance', crashable, async (severance) => {
    const started = await createCompliance({
      log: severance.port(log),
      audit: severance.port(audit),
      policies: severance.port(policies),
      privacy: severance.port(privacy),
      messages: severance.port(store),
      clients: privacyPeers,
      writer: await writerOf('compliance', severance.port(log)),
      rootKey,
      serviceAuth,
      config: { ...services.compliance, grpcAddress: complianceGrpc },
      logger: loggerOf('compliance'),
    });
    complianceGrpc = started.address;
    return started;
  });
  const bounds: Partial<NodeBounds> = { ...services.socket.bounds, drainMs: options.drainMs, ...options.bounds };
  const clients = authClients(auth.address, serviceAuth, loggerOf('socket'));
  const nodes: Restartable<SocketNode>[] = [];
  for (const [i, wantedPort] of options.socketPorts.entries()) {
    const nodeId = `socket-${i + 1}`;
    let port = wantedPort;
    let grpcAddress = grpcAddressOf(1 + i);
    const node = await restartable(nodeId, crashable, async (severance) => {
      const started = await createSocketNode(
        {
          log: severance.port(log),
          store: severance.port(store),
          users: severance.port(accounts.users),
          keyValue: severance.port(keyValue),
          inbox: severance.port(inbox),
          auth: clients,
          keys,
          media: mediaOfNodes,
          audit: await writerOf(nodeId, severance.port(log)),
          policies: policyClient(
            { ...services.socket, complianceAddress: complianceGrpc },
            severance.port(policies),
            serviceAuth,
            loggerOf(nodeId),
          ),
          search: searches,
          serviceAuth,
        },
        {
          nodeId,
          host,
          port,
          grpcAddress,
          hashKey,
          sealContent: services.socket.sealContent,
          sealEnvelopes: false,
          bounds,
          limits: { ...services.socket.limits, ...options.limits },
        },
        loggerOf(nodeId),
      );
      // A node that comes back comes back where it was.
      port = started.port;
      grpcAddress = started.grpcAddress;
      return started;
    });
    nodes.push(node);
  }
  const socketUrls = nodes.map((node) => node.current.url);
  const gateway = await createGateway({
    serviceAuth,
    rateLimits,
    localRateLimits: rateLimits,
    config: {
      ...services.gateway,
      // Named ones are a proxy's: then the nodes' own are nobody's to know.
      socketUrls: services.gateway.socketUrls.length > 0 ? services.gateway.socketUrls : socketUrls,
      pingIntervalMs: bounds.pingIntervalMs ?? services.gateway.pingIntervalMs,
      pongTimeoutMs: bounds.pongTimeoutMs ?? services.gateway.pongTimeoutMs,
      host,
      port: options.gatewayPort,
      grpcAddress: grpcAddressOf(options.socketPorts.length + 2),
      authAddress: auth.address,
      drainMs: options.drainMs,
    },
    logger: loggerOf('gateway'),
  });
  if (app) await writeDevelopmentEnv(dataDir, app, gateway.url);

  return {
    gatewayUrl: gateway.url,
    socketUrls,
    authAddress: auth.address,
    cryptoAddress: crypto.current.address,
    mediaAddress: media.current.address,
    mediaUrl: media.current.url,
    complianceAddress: complianceGrpc,
    app,
    services: new Map<string, Restartable>(
      [persistence, crypto, media, ...(search ? [search] : []), ...nodes, compliance].map((service) => [
        service.name,
        service,
      ]),
    ),
    flushSharedState: () => keyValue.flush(),
    async run(signal) {
      // In the order of the message's way: no new work, then what is under way, then what answers questions about it.
      const failed = new AbortController();
      const back = new AbortController();
      const edges = [gateway, ...nodes].map((service) => service.run(AbortSignal.any([signal, failed.signal])));
      const behind = [media, persistence, ...(search ? [search] : []), crypto, auth, compliance].map((service) =>
        service.run(back.signal),
      );
      try {
        await Promise.race([Promise.all(edges), ...behind]);
      } finally {
        // When one has failed the others still end in good order.
        failed.abort();
        await Promise.allSettled(edges);
        back.abort();
        await Promise.allSettled(behind);
        clients.close();
        keys.close();
        mediaOfNodes.close();
        mediaKeys.close();
        keysOfSearch.close();
        searches?.close();
        privacyPeers.close();
        await engines.log.close();
        await Promise.all([
          engines.store.close(),
          engines.accounts.close(),
          engines.audit.close(),
          engines.policies.close(),
          engines.privacy.close(),
          engines.index.close(),
          keyValue.close(),
          inbox.close(),
          rateLimits.close(),
        ]);
        await Promise.all([
          keyEngines.keys.close(),
          keyEngines.vault.close(),
          mediaEngines.records.close(),
          mediaEngines.objects.close(),
        ]);
      }
    },
  };
};
