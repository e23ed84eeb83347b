import type { AccountStore } from '@caas/account-store';
import { CaasError, fail, retrying } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';
import { MongoNetworkError, MongoServerSelectionError } from 'mongodb';
import type { Ledger } from '../ledger.ts';
import type { Pair } from '../names.ts';
import type { Oddities } from '../old/odd.ts';
import { type Aside, asideIn, conversationsIn, type OldSide } from '../old/old-side.ts';
import type { OldConversation } from '../old/schema.ts';
import { sideBySide } from '../side-by-side.ts';
import { type ImportOutcome, type ImportParts, importConversation } from './import-conversation.ts';
import { knownUsers } from './known-users.ts';

/** Conversations that are brought over side by side. */
const conversationsAtOnce = 8;

/** An engine on either side that is away for a moment does not end a run of hours. */
const patience = {
  maxAttempts: 8,
  baseMs: 250,
  capMs: 10_000,
  when: (fault: unknown): boolean =>
    fault instanceof CaasError
      ? fault.retryable
      : fault instanceof MongoNetworkError || fault instanceof MongoServerSelectionError,
};

/** Both sides of a tenant's migration. */
export interface Sides {
  pair: Pair;
  old: OldSide;
  ledger: Ledger;
  store: MessageStore;
  accounts: AccountStore;
  odd: Oddities;
}

export interface ImportReport extends Aside {
  /** Messages read; those of a conversation that has changed since the last import are read twice. */
  messages: number;
  conversations: Record<ImportOutcome, number>;
}

export interface ImportOptions {
  /** Number of the run in the ledger; undefined: a dry run. */
  run: number | undefined;
  signal: AbortSignal;
  onProgress?(report: ImportReport): void;
}

/**
 * Brings a tenant's conversations over. May be ended at any moment and run again: what is there and unchanged is read, not
 * written. Throws FAILED_PRECONDITION when CAAS does not know the tenant.
 */
export const importTenant = async (sides: Sides, options: ImportOptions): Promise<ImportReport> => {
  const { pair, accounts, old, odd } = sides;
  const { run, signal, onProgress } = options;
  if (!(await accounts.tenants.get(pair.tenantId)))
    fail('FAILED_PRECONDITION', `CAAS has no tenant ${pair.tenantId}: create it and its app first`);
  const report: ImportReport = {
    messages: 0,
    conversations: { imported: 0, unchanged: 0, live: 0, odd: 0 },
    ...(await asideIn(old, pair)),
  };
  const parts: ImportParts = {
    ...sides,
    run: run ?? 0,
    dryRun: run === undefined,
    makeKnown: knownUsers(accounts, pair),
    onMessages: (count) => {
      signal.throwIfAborted();
      report.messages += count;
      onProgress?.(report);
    },
  };
  const bring = async (conversation: OldConversation): Promise<void> => {
    const outcome = await retrying('import', patience, () => importConversation(parts, conversation), signal);
    report.conversations[outcome] += 1;
    onProgress?.(report);
  };
  await sideBySide(conversationsIn(old, pair, odd), conversationsAtOnce, bring);
  return report;
};
