/** Both sides of a migration on the MongoDB of the tests, and the command as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { openMongoAccountStore } from '@caas/account-store/mongo';
import { openMongoMessageStore } from '@caas/message-store/mongo';
import { dropDatabase, mongoForTest } from '@caas/mongo/testing';
import type { Sides } from '../import/import-tenant.ts';
import { Ledger } from '../ledger.ts';
import { Oddities } from '../old/odd.ts';
import { openOldSide } from '../old/old-side.ts';

export interface OldAndNew extends Sides {
  /** Variables that lead the command to both sides. */
  env: Record<string, string>;
  close(): Promise<void>;
}

/** An old database and a new one, both empty but for the tenant; `tenantId` is the same in both. */
export const openOldAndNew = async (name: string, tenantId = 'acme'): Promise<OldAndNew> => {
  const [oldDatabase, newDatabase] = [mongoForTest(`${name}_old`), mongoForTest(`${name}_new`)];
  const old = await openOldSide(oldDatabase);
  const store = await openMongoMessageStore(newDatabase);
  const accounts = await openMongoAccountStore(newDatabase);
  await accounts.tenants.create({ tenantId, name: tenantId, createdAtMs: 1, limits: {}, allowedOrigins: [] });
  return {
    pair: { tenantId, oldTenantId: tenantId },
    old,
    store,
    accounts,
    ledger: new Ledger(old.db),
    odd: new Oddities(),
    env: {
      OLD_MONGODB_URL: oldDatabase.url,
      OLD_MONGODB_DATABASE: oldDatabase.database,
      MONGODB_URL: newDatabase.url,
      MONGODB_DATABASE: newDatabase.database,
    },
    async close() {
      await Promise.all([old.close(), store.close(), accounts.close()]);
      await Promise.all([dropDatabase(oldDatabase), dropDatabase(newDatabase)]);
    },
  };
};

const main = join(import.meta.dirname, '../../main.ts');

export interface Finished {
  code: number | null;
  /** What it printed, and after it what it told of progress and faults. */
  output: string;
}

/** `caas` with some arguments, as a process. */
export const startCaas = (args: readonly string[], env: Readonly<Record<string, string>>) => {
  const child: ChildProcess = spawn(process.execPath, ['-C', '@caas/source', main, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const parts = { out: '', err: '' };
  child.stdout?.on('data', (data) => (parts.out += data));
  child.stderr?.on('data', (data) => (parts.err += data));
  const finished = once(child, 'close').then(([code]): Finished => ({ code, output: parts.out + parts.err }));
  return {
    /** Ends it as a crash would, in the middle of whatever it does. */
    kill: async (signal: NodeJS.Signals = 'SIGKILL') => {
      child.kill(signal);
      return finished;
    },
    finished,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
  };
};
