import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type AccountStore, openSqliteAccountStore } from '@caas/account-store';
import { type AuditStore, openSqliteAuditStore } from '@caas/audit-store';
import { type EventLog, openSqliteEventLog, shardCount } from '@caas/event-log';
import { CaasError, type Logger } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { type MessageStore, openSqliteMessageStore } from '@caas/message-store';
import { openSqlitePolicyStore, type PolicyStore } from '@caas/policy-store';
import { openSqlitePrivacyStore, type PrivacyStore } from '@caas/privacy-store';
import { openSqliteSearchIndex, type SearchIndex } from '@caas/search-index';

export interface EmbeddedEngines {
  log: EventLog;
  store: MessageStore;
  accounts: AccountStore;
  audit: AuditStore;
  policies: PolicyStore;
  privacy: PrivacyStore;
  index: SearchIndex;
}

/** What an operator is told of a database that can't be opened; any other fault stays as it is. */
const plainly = (error: unknown, dataDir: string, name: string): unknown => {
  if (!(error instanceof CaasError)) return error;
  const engine = error.details['engine'];
  if (engine === 'SQLITE_BUSY' || engine === 'SQLITE_LOCKED')
    return new ConfigError(
      `another platform is running on the data folder ${dataDir}: stop it, or set CAAS_DATA to another folder.`,
    );
  const cause = error.cause instanceof Error ? error.cause.message : '';
  if (engine !== undefined) return new ConfigError(`${join(dataDir, name)} can't be opened: ${engine}, ${cause}.`);
  if (/the log is an older one/.test(cause))
    return new ConfigError(
      `${join(dataDir, 'log.db')} and messages.db are not of one moment: ${cause}. Put back a log.db that is as new as messages.db, or a messages.db as old as it; without log.db the messages stay and a new log begins.`,
    );
  if (/newer than this program knows|partitions in this file/.test(cause)) return new ConfigError(cause);
  return error;
};

/** Bytes of a file of the data folder; undefined: there is none. */
const bytesOf = (dataDir: string, name: string): Promise<number | undefined> =>
  stat(join(dataDir, name)).then(
    ({ size }) => size,
    () => undefined,
  );

/**
 * Who takes a file away says that a new one shall begin. One that is there and empty was cut off by something else, and what
 * it lacks may be more than the log still holds.
 */
const truncated = (dataDir: string, name: string, other: string): ConfigError =>
  new ConfigError(
    `${join(dataDir, name)} is empty while ${other} has records: it was truncated. Restore it from a backup; without the file a new one begins, which holds of the past only what the other files give.`,
  );

/** Opens the databases of the data folder, which must exist. The log's file is one process's, so a second one ends here. */
export const openEngines = async (
  dataDir: string,
  { storeTimeoutMs, search }: { storeTimeoutMs: number; search: boolean },
  logger: Logger,
): Promise<EmbeddedEngines> => {
  const open = <T>(name: string, opened: (file: string) => Promise<T>): Promise<T> =>
    opened(join(dataDir, name)).catch((error: unknown) => {
      throw plainly(error, dataDir, name);
    });
  const openIndex = () => open('search.db', (file) => openSqliteSearchIndex({ file }));
  const logBytes = await bytesOf(dataDir, 'log.db');
  for (const name of ['messages.db', 'accounts.db'])
    if (logBytes && (await bytesOf(dataDir, name)) === 0) throw truncated(dataDir, name, 'log.db');
  const [[store, notBefore], accounts, audit, policies, privacy, kept] = await Promise.all([
    open('messages.db', async (file) => {
      const opened = await openSqliteMessageStore({ file, commandTimeoutMs: storeTimeoutMs });
      return [opened, await positionsIn(opened)] as const;
    }),
    open('accounts.db', (file) => openSqliteAccountStore({ file })),
    open('audit.db', (file) => openSqliteAuditStore({ file })),
    open('policies.db', (file) => openSqlitePolicyStore({ file })),
    open('privacy.db', (file) => openSqlitePrivacyStore({ file })),
    search ? openIndex() : undefined,
  ]);
  if (logBytes === 0 && Object.values(notBefore).some((offset) => offset > 0)) {
    await Promise.all([store, accounts, audit, policies, privacy, kept].map((each) => each?.close()));
    throw truncated(dataDir, 'log.db', 'messages.db');
  }
  const log = await open('log.db', async (file) =>
    openSqliteEventLog({
      file,
      notBefore,
      onFault: (err, where) => logger.warn({ err, ...where }, 'event log fault'),
    }),
  );
  // An index that nobody feeds would keep words that an erasure has to take away. It is made anew from the store; removed
  // once the log is this process's, so that it is nobody else's index.
  if (!kept) for (const suffix of ['', '-wal', '-shm']) await rm(join(dataDir, `search.db${suffix}`), { force: true });
  const index = kept ?? (await openIndex());
  return { log, store, accounts, audit, policies, privacy, index };
};

/** How much of the log the store has had, by "topic-partition" the next offset. */
const positionsIn = async ({ conversations }: MessageStore): Promise<Record<string, number>> => {
  const shards = Array.from({ length: shardCount }, (_, shard) => conversations.shardPosition(shard));
  return Object.assign({}, ...(await Promise.all(shards)));
};
