import { openAccounts, openLog, openMessages } from '@caas/engines';
import type { EventLog } from '@caas/event-log';
import { ConfigError, type Logger } from '@caas/kit';
import type { MigrateConfig } from './config.ts';
import type { Sides } from './import/import-tenant.ts';
import { Ledger } from './ledger.ts';
import type { Pair } from './names.ts';
import { type Odd, Oddities } from './old/odd.ts';
import { openOldSide } from './old/old-side.ts';

/** Longest wait for an answer of the new side's stores, in milliseconds: imports write large batches. */
const storeTimeoutMs = 30_000;

export interface OpenSides extends Sides {
  /** The log of CAAS, opened when it is first asked for. */
  log(): Promise<EventLog>;
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
    const accounts = closing.adopt(await openAccounts(engines, config.accountsFile), (a) => a.close());
    let log: Promise<EventLog> | undefined;
    const openedLog = async (): Promise<EventLog> =>
      closing.adopt(await openLog(engines, config.logFile, logger), (opened) => opened.close());
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
        log ??= openedLog();
        return log;
      },
    });
  } finally {
    await closing.disposeAsync();
  }
};
