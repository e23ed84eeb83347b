import { openAccounts, openLog, openMessages } from '@caas/engines';
import type { EventLog } from '@caas/event-log';
import { ConfigError, type Logger } from '@caas/kit';
import { type Partition, partitionsToFollow } from './back/log-ends.ts';
import type { MigrateConfig } from './config.ts';
import type { Sides } from './import/import-tenant.ts';
import { Ledger } from './ledger.ts';
import type { Pair } from './names.ts';
import { type Odd, Oddities } from './old/odd.ts';
import { openOldSide } from './old/old-side.ts';

/** Longest wait for an answer of the new side's stores, in milliseconds: a busy database is no reason to end a migration. */
const storeTimeoutMs = 120_000;

export interface LogOfCaas {
  log: EventLog;
  /** What the workers apply of it. */
  partitions: readonly Partition[];
}

export interface OpenSides extends Sides {
  /** The log of CAAS, opened when it is asked for, once. */
  log(): Promise<LogOfCaas>;
}

/** Opens both sides of a migration, does the work and closes them. */
export const withSides = async <T>(
  config: MigrateConfig,
  pair: Pair,
  { logger, onOdd }: { logger: Logger; onOdd(odd: Odd): void },
  work: (sides: OpenSides) => Promise<T>,
): Promise<T> => {
  const { engines } = config;
  const closing = new AsyncDisposableStack();
  try {
    const old = closing.adopt(await openOldSide(config.old), (side) => side.close());
    const store = closing.adopt(await openMessages(engines, config.messagesFile, storeTimeoutMs), (s) => s.close());
    const accounts = closing.adopt(await openAccounts(engines, config.accountsFile, storeTimeoutMs), (a) => a.close());
    return await work({
      pair,
      old,
      store,
      accounts,
      ledger: new Ledger(old.db),
      odd: new Oddities(onOdd),
      log: async () => {
        if (engines.mongo && !engines.kafka)
          throw new ConfigError('KAFKA_BROKERS is not set, but MONGODB_URL is: this mode needs the log of CAAS, too');
        const log = closing.adopt(await openLog(engines, config.logFile, logger), (opened) => opened.close());
        return { log, partitions: partitionsToFollow(engines.kafka?.grown ?? {}) };
      },
    });
  } finally {
    await closing.disposeAsync();
  }
};
