import {
  allOrNone,
  type EngineSettings,
  kafkaOf,
  kafkaVariables,
  mongoOf,
  mongoVariables,
  redisSocketOf,
  redisSocketVariables,
} from '@caas/engines';
import { address, count, loadConfig, milliseconds, oneOf, text, token } from '@caas/kit/config';
import { z } from 'zod';

const schema = z
  .object({
    /** File of the embedded event log. */
    PERSISTENCE_LOG_FILE: text().default('data/log.db'),
    /** File of the embedded message store. */
    PERSISTENCE_MESSAGES_FILE: text().default('data/messages.db'),
    LOG_LEVEL: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('info'),
    /** `host:port` of the worker's gRPC: health and reflection. */
    PERSISTENCE_GRPC_ADDRESS: address().default('127.0.0.1:50054'),
    /** Certificates for mutual TLS between services. */
    CAAS_TLS_DIR: text().optional(),
    /** Shared by the services of one machine. */
    CAAS_SERVICE_TOKEN: token().optional(),
    /** Records a batch may hold. */
    PERSISTENCE_MAX_BATCH_RECORDS: count({ min: 1, max: 10_000 }).default(1_000),
    /** Documents one step of a batch may need; a change of many members counts as many. */
    PERSISTENCE_MAX_STEP_DOCUMENTS: count({ min: 1, max: 10_000 }).default(2_000),
    /** Heads of conversations kept in memory a shard. */
    PERSISTENCE_MAX_CACHED_HEADS: count({ min: 1 }).default(10_000),
    /** How long messages that follow a batch wait for more of them, in milliseconds; changes of other kinds don't wait. */
    PERSISTENCE_GATHER_MS: milliseconds({ max: 1_000 }).default(50),
    /** Longest wait for an answer of the store, in milliseconds. */
    PERSISTENCE_STORE_TIMEOUT_MS: milliseconds({ min: 100 }).default(10_000),
    ...kafkaVariables,
    ...mongoVariables,
    ...redisSocketVariables,
  })
  .superRefine(allOrNone('KAFKA_BROKERS', 'MONGODB_URL', 'REDIS_SOCKET_URL'));

export interface PersistenceConfig {
  logFile: string;
  messagesFile: string;
  logLevel: z.infer<typeof schema>['LOG_LEVEL'];
  grpcAddress: string;
  tlsDir: string | undefined;
  serviceToken: string | undefined;
  /** Distributed engines, in place of the embedded files and memory. */
  engines: EngineSettings;
  maxBatchRecords: number;
  gatherMs: number;
  maxDocumentsPerStep: number;
  maxCachedHeads: number;
  storeTimeoutMs: number;
}

/** The settings, checked; throws one ConfigError that names everything that is wrong. */
export const persistenceConfig = (
  env: Readonly<Record<string, string | undefined>> = process.env,
): PersistenceConfig => {
  const settings = loadConfig('persistence', schema, env);
  return {
    logFile: settings.PERSISTENCE_LOG_FILE,
    messagesFile: settings.PERSISTENCE_MESSAGES_FILE,
    logLevel: settings.LOG_LEVEL,
    grpcAddress: settings.PERSISTENCE_GRPC_ADDRESS,
    tlsDir: settings.CAAS_TLS_DIR,
    serviceToken: settings.CAAS_SERVICE_TOKEN,
    engines: { kafka: kafkaOf(settings), mongo: mongoOf(settings), redisSocket: redisSocketOf(settings) },
    maxBatchRecords: settings.PERSISTENCE_MAX_BATCH_RECORDS,
    gatherMs: settings.PERSISTENCE_GATHER_MS,
    maxDocumentsPerStep: settings.PERSISTENCE_MAX_STEP_DOCUMENTS,
    maxCachedHeads: settings.PERSISTENCE_MAX_CACHED_HEADS,
    storeTimeoutMs: settings.PERSISTENCE_STORE_TIMEOUT_MS,
  };
};
