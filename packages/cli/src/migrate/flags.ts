/** Where a tenant's users send and read, for whoever routes them: `@caas/cli/flags`, a provider for OpenFeature. */
import {
  type EvaluationContext,
  FlagNotFoundError,
  type JsonValue,
  type Provider,
  type ResolutionDetails,
  StandardResolutionReasons,
  TargetingKeyMissingError,
  TypeMismatchError,
} from '@openfeature/server-sdk';
import type { Db } from 'mongodb';
import { Ledger } from './ledger.ts';
import { flagMaxAgeMs, type Homes, homesIn } from './states.ts';

/** Flags by name; both are strings. `write`: 'old', 'new' or 'none'; `read`: 'old' or 'new'. */
export const migrationFlags = { write: 'caas.write', read: 'caas.read' } as const;

/** Tenants whose flags are remembered; past it all are read anew. */
const maxTenantsRemembered = 10_000;

interface Known {
  homes: Homes;
  /** When they began to be read, by performance.now(). */
  atMs: number;
}

/**
 * Reads the flags from what the migration remembers in the old service's database. The targeting key is the tenant in CAAS;
 * one that is not being migrated is 'old'. An answer is at most `flagMaxAgeMs` old: when the database can't be asked the
 * evaluation fails and OpenFeature answers the caller's default, which for `caas.write` should be 'none'.
 */
export class MigrationFlags implements Provider {
  readonly metadata = { name: 'caas-migration' } as const;
  readonly runsOn = 'server' as const;
  readonly #ledger: Ledger;
  readonly #known = new Map<string, Known>();

  constructor(db: Db) {
    this.#ledger = new Ledger(db);
  }

  async resolveStringEvaluation(
    flag: string,
    _: string,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<string>> {
    const { targetingKey } = context;
    if (flag !== migrationFlags.write && flag !== migrationFlags.read) throw new FlagNotFoundError(flag);
    if (!targetingKey) throw new TargetingKeyMissingError('the tenant in CAAS');
    const homes = await this.#homesOf(targetingKey);
    const value = flag === migrationFlags.write ? homes.write : homes.read;
    return { value, variant: value, reason: StandardResolutionReasons.TARGETING_MATCH };
  }

  async resolveBooleanEvaluation(flag: string): Promise<ResolutionDetails<boolean>> {
    throw new TypeMismatchError(`${flag} is no boolean`);
  }

  async resolveNumberEvaluation(flag: string): Promise<ResolutionDetails<number>> {
    throw new TypeMismatchError(`${flag} is no number`);
  }

  async resolveObjectEvaluation<T extends JsonValue>(flag: string): Promise<ResolutionDetails<T>> {
    throw new TypeMismatchError(`${flag} is no object`);
  }

  async #homesOf(tenantId: string): Promise<Homes> {
    const known = this.#known.get(tenantId);
    const atMs = performance.now();
    if (known && atMs - known.atMs < flagMaxAgeMs) return known.homes;
    const homes = (await this.#ledger.tenant(tenantId)) ?? homesIn.off;
    if (this.#known.size >= maxTenantsRemembered) this.#known.clear();
    this.#known.set(tenantId, { homes, atMs });
    return homes;
  }
}
