import { auditOf, auditVariables } from '@caas/compliance-client/audit';
import {
  allOrNone,
  kafkaOf,
  kafkaVariables,
  mongoOf,
  mongoVariables,
  redisSocketOf,
  redisSocketVariables,
} from '@caas/engines';
import { tenantLimitCeilings } from '@caas/kit';
import * as settings from '@caas/kit/config';
import { loadConfig } from '@caas/kit/config';
import { z } from 'zod';
import { defaultBounds, defaultLimits } from './limits.ts';

const day = 86_400_000;

const schema = z
  .object({
    SOCKET_NODE_ID: settings.text().default('socket-1'),
    SOCKET_HOST: settings.text().default('127.0.0.1'),
    SOCKET_PORT: settings.port().default(3001),
    SOCKET_GRPC_ADDRESS: settings.address().default('127.0.0.1:50052'),
    SOCKET_AUTH_ADDRESS: settings.address().default('127.0.0.1:50051'),
    SOCKET_COMPLIANCE_ADDRESS: settings.address().default('127.0.0.1:50057'),
    SOCKET_POLICY_HOLD: settings.milliseconds({ min: 2_000, max: 3_600_000 }).default(15_000),
    SOCKET_CRYPTO_ADDRESS: settings.address().default('127.0.0.1:50056'),
    SOCKET_MEDIA_ADDRESS: settings.address().default('127.0.0.1:50058'),
    SOCKET_SEAL_CONTENT: settings.flag().default(true),
    SOCKET_SEARCH_ADDRESS: settings.address().optional(),
    SOCKET_LOG_FILE: settings.text().default('data/log.db'),
    SOCKET_MESSAGES_FILE: settings.text().default('data/messages.db'),
    SOCKET_ACCOUNTS_FILE: settings.text().default('data/accounts.db'),
    SOCKET_POLICIES_FILE: settings.text().default('data/policies.db'),
    SOCKET_MAX_CONNECTIONS: settings.count({ min: 1 }).default(defaultBounds.maxConnections),
    SOCKET_TRUST_PROXY: settings.count({ max: 10 }).default(0),
    SOCKET_MAX_FRAME: settings.bytes({ min: 1024, max: 1024 * 1024 }).default(defaultBounds.maxFrameBytes),
    SOCKET_MAX_QUEUE: settings.bytes({ min: 65_536 }).default(defaultBounds.maxQueuedBytes),
    SOCKET_PING_INTERVAL: settings.milliseconds({ min: 1_000, max: day }).default(defaultBounds.pingIntervalMs),
    SOCKET_PONG_TIMEOUT: settings.milliseconds({ min: 500, max: day }).default(defaultBounds.pongTimeoutMs),
    SOCKET_DRAIN: settings.milliseconds({ max: 300_000 }).default(defaultBounds.drainMs),
    SOCKET_TEXT_LIMIT: settings
      .bytes({ min: 1, max: tenantLimitCeilings.maxTextBytes })
      .default(defaultLimits.maxTextBytes),
    SOCKET_SENDS_PER_SECOND: settings.count({ min: 1 }).default(defaultLimits.sendsPerSecond),
    SOCKET_SENDS_BURST: settings.count({ min: 1 }).default(defaultLimits.sendsBurst),
    SOCKET_FRAMES_PER_MINUTE: settings.count({ min: 1 }).default(defaultLimits.framesPerMinute),
    SOCKET_CONNECTIONS_PER_USER: settings.count({ min: 1 }).default(defaultLimits.maxConnections),
    CAAS_HASH_KEY: settings.secret().optional(),
    CAAS_TLS_DIR: settings.text().optional(),
    CAAS_SERVICE_TOKEN: settings.token().optional(),
    LOG_LEVEL: settings.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('info'),
    ...auditVariables,
    ...kafkaVariables,
    ...mongoVariables,
    ...redisSocketVariables,
  })
  .superRefine(allOrNone('KAFKA_BROKERS', 'MONGODB_URL', 'REDIS_SOCKET_URL'))
  .transform((env) => ({
    /** Unique among the nodes. */
    nodeId: env.SOCKET_NODE_ID,
    /** Address WebSockets are served on. */
    host: env.SOCKET_HOST,
    /** Port WebSockets are served on; 0: any free one. */
    port: env.SOCKET_PORT,
    /** `host:port` of the node's gRPC: health and reflection. */
    grpcAddress: env.SOCKET_GRPC_ADDRESS,
    /** `host:port` of auth's gRPC. */
    authAddress: env.SOCKET_AUTH_ADDRESS,
    /** `host:port` of compliance's gRPC. */
    complianceAddress: env.SOCKET_COMPLIANCE_ADDRESS,
    /** How long a policy is good without a word from compliance or the store, in milliseconds. */
    policyHoldMs: env.SOCKET_POLICY_HOLD,
    /** `host:port` of crypto's gRPC. */
    cryptoAddress: env.SOCKET_CRYPTO_ADDRESS,
    /** `host:port` of media's gRPC. */
    mediaAddress: env.SOCKET_MEDIA_ADDRESS,
    /** Whether new content is sealed under its author's key. */
    sealContent: env.SOCKET_SEAL_CONTENT,
    /** `host:port` of search's gRPC; undefined: searches are not served. */
    searchAddress: env.SOCKET_SEARCH_ADDRESS,
    logFile: env.SOCKET_LOG_FILE,
    messagesFile: env.SOCKET_MESSAGES_FILE,
    accountsFile: env.SOCKET_ACCOUNTS_FILE,
    policiesFile: env.SOCKET_POLICIES_FILE,
    bounds: {
      maxConnections: env.SOCKET_MAX_CONNECTIONS,
      // Behind a proxy all sockets are of its address, and it is the one to bound its clients.
      maxPlainPerAddress: env.SOCKET_TRUST_PROXY > 0 ? 0 : defaultBounds.maxPlainPerAddress,
      maxFrameBytes: env.SOCKET_MAX_FRAME,
      maxQueuedBytes: env.SOCKET_MAX_QUEUE,
      pingIntervalMs: env.SOCKET_PING_INTERVAL,
      pongTimeoutMs: env.SOCKET_PONG_TIMEOUT,
      drainMs: env.SOCKET_DRAIN,
    },
    limits: {
      maxTextBytes: env.SOCKET_TEXT_LIMIT,
      sendsPerSecond: env.SOCKET_SENDS_PER_SECOND,
      sendsBurst: env.SOCKET_SENDS_BURST,
      framesPerMinute: env.SOCKET_FRAMES_PER_MINUTE,
      maxConnections: env.SOCKET_CONNECTIONS_PER_USER,
    },
    /** Key of content hashes, the same on every node; made by the platform when all runs in one process. */
    hashKey: env.CAAS_HASH_KEY,
    /** Certificates for mutual TLS between services. */
    tlsDir: env.CAAS_TLS_DIR,
    /** Shared by the services of one machine. */
    serviceToken: env.CAAS_SERVICE_TOKEN,
    logLevel: env.LOG_LEVEL,
    audit: auditOf(env),
    /** Distributed engines, in place of the embedded files and memory. */
    engines: { kafka: kafkaOf(env), mongo: mongoOf(env), redisSocket: redisSocketOf(env) },
  }));

export type SocketEnvironment = z.output<typeof schema>;

/** The settings of a socket node; throws a ConfigError that names every wrong one. */
export const socketConfig = (env: Readonly<Record<string, string | undefined>> = process.env): SocketEnvironment =>
  loadConfig('socket', schema as z.ZodType<SocketEnvironment>, env);
