import { type AccountStore, openSqliteAccountStore } from '@caas/account-store';
import { type AuditStore, openSqliteAuditStore } from '@caas/audit-store';
import { type EventLog, openSqliteEventLog } from '@caas/event-log';
import {
  type KeyValue,
  memoryKeyValue,
  memoryNodeInbox,
  memoryRateLimits,
  type NodeInbox,
  openRedisKeyValue,
  openRedisNodeInbox,
  openRedisRateLimits,
  type RateLimits,
} from '@caas/key-value';
import { CaasError, type Logger } from '@caas/kit';
import { type MessageStore, openSqliteMessageStore } from '@caas/message-store';
import { openSqlitePolicyStore, type PolicyStore } from '@caas/policy-store';
import { openSqlitePrivacyStore, type PrivacyStore } from '@caas/privacy-store';
import { openSqliteSearchIndex, type SearchIndex } from '@caas/search-index';
import type { EngineSettings, RedisSettings } from './settings.ts';

/*
 * Each port on the engine that the settings name, or embedded in `file` or in memory. The clients of distributed engines
 * are loaded where they are used: a start on embedded ones does not pay for them.
 */

/** An engine that is away at the start is told by the variable that names it; the password in a URL is not. */
export const told = async <T>(variable: string, opening: Promise<T>): Promise<T> => {
  try {
    return await opening;
  } catch (cause) {
    if (!(cause instanceof CaasError) || cause.reason !== 'UNAVAILABLE') throw cause;
    throw new CaasError('UNAVAILABLE', `cannot start: what ${variable} names is not reached (${cause.message})`, {
      cause,
    });
  }
};

const faults = (logger: Logger, what: string) => (err: unknown) => logger.warn({ err }, `${what} fault`);

export const openLog = async ({ kafka }: EngineSettings, file: string, logger: Logger): Promise<EventLog> => {
  const onFault = (err: unknown, where: object): void => logger.warn({ err, ...where }, 'event log fault');
  if (kafka === undefined) return openSqliteEventLog({ file, onFault });
  const { openKafkaEventLog } = await import('@caas/event-log/kafka');
  return told('KAFKA_BROKERS', openKafkaEventLog({ ...kafka, onFault }));
};

export const openMessages = async (
  { mongo }: EngineSettings,
  file: string,
  commandTimeoutMs?: number,
): Promise<MessageStore> => {
  const timeout = commandTimeoutMs === undefined ? {} : { commandTimeoutMs };
  if (mongo === undefined) return openSqliteMessageStore({ file, ...timeout });
  const { openMongoMessageStore } = await import('@caas/message-store/mongo');
  return told('MONGODB_URL', openMongoMessageStore({ ...mongo, ...timeout }));
};

export const openAccounts = async (
  { mongo }: EngineSettings,
  file: string,
  commandTimeoutMs?: number,
): Promise<AccountStore> => {
  const timeout = commandTimeoutMs === undefined ? {} : { commandTimeoutMs };
  if (mongo === undefined) return openSqliteAccountStore({ file, ...timeout });
  const { openMongoAccountStore } = await import('@caas/account-store/mongo');
  return told('MONGODB_URL', openMongoAccountStore({ ...mongo, ...timeout }));
};

export const openAuditStore = async ({ mongo }: EngineSettings, file: string): Promise<AuditStore> => {
  if (mongo === undefined) return openSqliteAuditStore({ file });
  const { openMongoAuditStore } = await import('@caas/audit-store/mongo');
  return told('MONGODB_URL', openMongoAuditStore(mongo));
};

export const openPolicies = async ({ mongo }: EngineSettings, file: string): Promise<PolicyStore> => {
  if (mongo === undefined) return openSqlitePolicyStore({ file });
  const { openMongoPolicyStore } = await import('@caas/policy-store/mongo');
  return told('MONGODB_URL', openMongoPolicyStore(mongo));
};

export const openPrivacyStore = async ({ mongo }: EngineSettings, file: string): Promise<PrivacyStore> => {
  if (mongo === undefined) return openSqlitePrivacyStore({ file });
  const { openMongoPrivacyStore } = await import('@caas/privacy-store/mongo');
  return told('MONGODB_URL', openMongoPrivacyStore(mongo));
};

export const openSearchIndex = async (
  { openSearch }: EngineSettings,
  file: string,
  logger: Logger,
): Promise<SearchIndex> => {
  if (openSearch === undefined) return openSqliteSearchIndex({ file });
  const { openOpenSearchIndex } = await import('@caas/search-index/opensearch');
  return told('OPENSEARCH_URL', openOpenSearchIndex({ ...openSearch, onFault: faults(logger, 'opensearch') }));
};

const redisOf = ({ urls, cluster, tls }: RedisSettings, logger: Logger) => ({
  urls,
  cluster,
  ...(tls && { tls }),
  onFault: faults(logger, 'redis'),
});

export const openKeyValue = async ({ redisSocket }: EngineSettings, logger: Logger): Promise<KeyValue> =>
  redisSocket === undefined ? memoryKeyValue() : openRedisKeyValue(redisOf(redisSocket, logger));

export const openInbox = async ({ redisSocket }: EngineSettings, logger: Logger): Promise<NodeInbox> =>
  redisSocket === undefined
    ? memoryNodeInbox({ onFault: faults(logger, 'node inbox') })
    : openRedisNodeInbox(redisOf(redisSocket, logger));

export const openRateLimits = async ({ redisGateway }: EngineSettings, logger: Logger): Promise<RateLimits> =>
  redisGateway === undefined ? memoryRateLimits() : openRedisRateLimits(redisOf(redisGateway, logger));
