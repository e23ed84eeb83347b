import type { UserStore } from '@caas/account-store';
import type { AuditWriter } from '@caas/compliance-client/audit';
import { KeyRing, type KeySource } from '@caas/compliance-client/keys';
import type { PolicyClient } from '@caas/compliance-client/policy-client';
import type { EventLog } from '@caas/event-log';
import type { KeyValue, NodeInbox } from '@caas/key-value';
import { type Clock, type Logger, systemClock, tenantLimitCeilings } from '@caas/kit';
import { createGrpcServer, type GrpcServer, type ServiceAuth } from '@caas/kit/grpc';
import type { MessageStore } from '@caas/message-store';
import type { NodeServices } from './commands/command.ts';
import { storeOfCommands } from './commands/store-of-commands.ts';
import { Contents } from './delivery/contents.ts';
import { createDelivery, type Delivery } from './delivery/delivery.ts';
import { EnvelopeSeal } from './delivery/envelope-seal.ts';
import { FaultLog } from './edge/fault-log.ts';
import { type AuthClients, Gate } from './edge/gate.ts';
import type { Health } from './edge/http.ts';
import { ReadBudget } from './edge/read-budget.ts';
import { Edge } from './edge/server.ts';
import { defaultBounds, defaultLimits, type Limits, limitsOf, type NodeBounds } from './limits.ts';
import type { MediaClient } from './media-client.ts';
import { pause } from './pause.ts';
import type { SearchClient } from './search-client.ts';

export interface SocketPorts {
  log: EventLog;
  store: MessageStore;
  users: UserStore;
  keyValue: KeyValue;
  inbox: NodeInbox;
  auth: AuthClients;
  /** Where data keys come from. */
  keys: KeySource;
  media: MediaClient;
  /** Closed by the node when it ends. */
  audit: AuditWriter;
  /** Followed by the node, and closed when it ends. */
  policies: Pick<PolicyClient, 'follow' | 'judge' | 'hold' | 'run' | 'hearsCompliance'>;
  /** Undefined: searches are answered UNIMPLEMENTED. */
  search?: SearchClient | undefined;
  /** How those who call this node's gRPC (health, reflection) prove who they are. */
  serviceAuth: ServiceAuth;
}

export interface SocketConfig {
  /** Unique among the nodes. */
  nodeId: string;
  host: string;
  /** 0: any free one. */
  port: number;
  /** `host:port` of the node's gRPC; port 0: any free one. */
  grpcAddress: string;
  /** Key of content hashes, the same on every node; at least 16 bytes. */
  hashKey: string;
  /** Whether new content is sealed under its author's key; what is sealed is read in any case. */
  sealContent: boolean;
  /** Whether what nodes tell each other is sealed: needless where the inboxes are this process's own. */
  sealEnvelopes: boolean;
  limits?: Partial<Limits>;
  /** Most a tenant may be given; defaults to what auth lets an operator give. */
  ceilings?: Partial<Limits>;
  bounds?: Partial<NodeBounds>;
}

export interface SocketNode {
  readonly name: string;
  /** `ws://host:port`, once listening. */
  readonly url: string;
  readonly port: number;
  /** `host:port` of the node's gRPC. */
  readonly grpcAddress: string;
  run(signal: AbortSignal): Promise<void>;
  /** Drops everything with no clean-up, as a crash of the process would. */
  crash(): void;
  stats(): SocketStats;
}

export interface SocketStats {
  connections: number;
  conversations: number;
  /** Accepted by clients' sends but not yet answered by the log. */
  pendingSends: number;
  /** Sends kept to answer retries from memory. */
  recentSends: number;
  /** Heads found moved without a notice. */
  repairs: number;
  /** Envelopes to other nodes that could not be handed over. */
  lostEnvelopes: number;
  /** Bytes that wait for clients to take them. */
  backlogBytes: number;
  /** Connections the node has ended, by reason. */
  ended: Readonly<Record<string, number>>;
}

/** Builds a socket node from its ports and begins to listen; `run` lives until the signal, then drains. */
export const createSocketNode = async (
  ports: SocketPorts,
  config: SocketConfig,
  logger: Logger,
  clock: Clock = systemClock,
): Promise<SocketNode> => {
  const { store } = ports;
  const { nodeId } = config;
  const bounds = { ...defaultBounds, ...config.bounds };
  const limits = { ...defaultLimits, ...config.limits };

  const ring = new KeyRing({ source: ports.keys, holder: nodeId, logger });
  const contents = new Contents(ring, config.sealContent);
  const envelopes = { seal: new EnvelopeSeal(config.hashKey), sealing: config.sealEnvelopes };
  const delivery = createDelivery(ports, { nodeId, bounds, contents, envelopes }, logger, clock);
  const { directory, commits, heads, registrations, link, messages, ephemeral, recentSends, tail, joins } = delivery;
  const ceilings = { ...tenantLimitCeilings, ...config.ceilings };
  const faults = new FaultLog(clock, logger);
  const gate = new Gate(ports.auth, (tenant) => limitsOf(tenant, limits, ceilings), logger);
  const health = healthOf(delivery, gate, faults, ports.policies);
  const services: NodeServices = {
    nodeId,
    store: storeOfCommands(store, heads),
    users: ports.users,
    audit: ports.audit,
    policies: ports.policies,
    directory,
    messages,
    contents,
    media: ports.media,
    commits,
    ephemeral,
    recentSends,
    joins,
    gate,
    search: ports.search,
    reads: new ReadBudget(bounds),
    bounds,
    clock,
    logger,
    faults,
    hashKey: config.hashKey,
  };
  const edge = new Edge(services, delivery.turn, { host: config.host, port: config.port, health });
  const grpc = await createGrpcServer({
    name: nodeId,
    address: config.grpcAddress,
    services: [],
    auth: ports.serviceAuth,
    logger,
  });

  const stopListening = await link.listen(delivery.received);
  tail.start();
  const { port } = await edge.listen();
  const background = new AbortController();

  return {
    name: nodeId,
    url: `ws://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
    port,
    grpcAddress: grpc.address,
    async run(signal) {
      const loops = [
        gate.run(background.signal),
        ring.run(background.signal),
        registrations.run(background.signal),
        heads.run(background.signal),
        commits.run(background.signal),
        ports.policies.run(background.signal),
        tellHealth(grpc.health, health.ready, AbortSignal.any([signal, background.signal])),
      ];
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else for (const s of [signal, background.signal]) s.addEventListener('abort', () => resolve(), { once: true });
      });
      if (background.signal.aborted) return; // crashed
      grpc.health.stopping();
      await edge.drain();
      await edge.close();
      background.abort();
      await Promise.all([...loops, tail.stop(), stopListening(), grpc.stop(0), ports.audit.close()]);
    },
    crash() {
      background.abort();
      edge.abandon();
      void tail.stop();
      void stopListening();
      void grpc.stop(0);
      void ports.audit.close();
    },
    stats: () => statsOf(delivery, edge),
  };
};

const healthOf = (
  { heads, messages, registrations, tail }: Delivery,
  gate: Gate,
  faults: FaultLog,
  policies: SocketPorts['policies'],
): Health => ({
  /** Whether clients who come here now would be served as anywhere. Without the stores, too: all nodes have the same ones. */
  ready: () => gate.connected && messages.logAccepts && !registrations.superseded,
  /** A tail that hears nothing is no reason to go: it is the log's doing, and the other nodes would go with this one. */
  degraded: () => [
    ...(heads.storeAnswers && !faults.damaged ? [] : ['messageStore']),
    ...(gate.blind ? ['accountStore'] : []),
    ...(tail.stalled ? ['eventLog'] : []),
    ...(policies.hearsCompliance ? [] : ['compliance']),
  ],
});

const statsOf = ({ directory, messages, recentSends, heads, link }: Delivery, edge: Edge): SocketStats => ({
  connections: edge.connectionCount,
  conversations: directory.conversationCount,
  pendingSends: messages.writer.pending,
  recentSends: recentSends.size,
  repairs: heads.repairs,
  lostEnvelopes: link.lost,
  backlogBytes: edge.backlogBytes,
  ended: edge.ended,
});

/** How often the gRPC health is brought in step with `ready`, ms. */
const healthMs = 500;

const tellHealth = async (health: GrpcServer['health'], ready: () => boolean, signal: AbortSignal): Promise<void> => {
  let told: boolean | undefined;
  while (!signal.aborted) {
    const now = ready();
    if (now !== told) health.set('', now);
    told = now;
    await pause(healthMs, signal);
  }
};
