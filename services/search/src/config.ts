import {
  allOrNone,
  type EngineSettings,
  kafkaOf,
  kafkaVariables,
  mongoOf,
  mongoVariables,
  openSearchOf,
  openSearchVariables,
} from '@caas/engines';
import { address, count, loadConfig, oneOf, text, token } from '@caas/kit/config';
import { z } from 'zod';

const schema = z
  .object({
    /** `host:port` of the service's gRPC. */
    SEARCH_GRPC_ADDRESS: address().default('127.0.0.1:50059'),
    /** File of the embedded index. */
    SEARCH_INDEX_FILE: text().default('data/search.db'),
    /** File of the embedded event log. */
    SEARCH_LOG_FILE: text().default('data/log.db'),
    /** File of the embedded message store. */
    SEARCH_MESSAGES_FILE: text().default('data/messages.db'),
    /** `host:port` of crypto's gRPC. */
    SEARCH_CRYPTO_ADDRESS: address().default('127.0.0.1:50056'),
    /** Searches that may run at the same time. */
    SEARCH_MAX_CONCURRENT: count({ min: 1, max: 10_000 }).default(256),
    /** Certificates for mutual TLS between services. */
    CAAS_TLS_DIR: text().optional(),
    /** Shared by the services of one machine. */
    CAAS_SERVICE_TOKEN: token().optional(),
    /** Proves an operator's calls; without it there are none. */
    CAAS_OPERATOR_TOKEN: token().optional(),
    LOG_LEVEL: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('info'),
    ...kafkaVariables,
    ...mongoVariables,
    ...openSearchVariables,
  })
  .superRefine(allOrNone('KAFKA_BROKERS', 'MONGODB_URL', 'OPENSEARCH_URL'));

export interface SearchConfig {
  grpcAddress: string;
  indexFile: string;
  logFile: string;
  messagesFile: string;
  cryptoAddress: string;
  maxConcurrentSearches: number;
  tlsDir: string | undefined;
  serviceToken: string | undefined;
  operatorToken: string | undefined;
  logLevel: z.infer<typeof schema>['LOG_LEVEL'];
  /** Distributed engines, in place of the embedded files. */
  engines: EngineSettings;
}

/** The settings, checked; throws one ConfigError that names everything that is wrong. */
export const searchConfig = (env: Readonly<Record<string, string | undefined>> = process.env): SearchConfig => {
  const settings = loadConfig('search', schema, env);
  return {
    grpcAddress: settings.SEARCH_GRPC_ADDRESS,
    indexFile: settings.SEARCH_INDEX_FILE,
    logFile: settings.SEARCH_LOG_FILE,
    messagesFile: settings.SEARCH_MESSAGES_FILE,
    cryptoAddress: settings.SEARCH_CRYPTO_ADDRESS,
    maxConcurrentSearches: settings.SEARCH_MAX_CONCURRENT,
    tlsDir: settings.CAAS_TLS_DIR,
    serviceToken: settings.CAAS_SERVICE_TOKEN,
    operatorToken: settings.CAAS_OPERATOR_TOKEN,
    logLevel: settings.LOG_LEVEL,
    engines: { kafka: kafkaOf(settings), mongo: mongoOf(settings), openSearch: openSearchOf(settings) },
  };
};
