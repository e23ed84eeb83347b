/**
 * Wrapped keys: those of tenants, wrapped by the vault's root keys, and those of users, wrapped by their tenant's. Nothing in
 * here opens anything without the vault. Embedded: SQLite. Distributed: MongoDB.
 *
 * What callers may rely on, in every role:
 * - A change is durable (survives kill -9 and power loss) before its call resolves, and seen by every read that starts after.
 * - All keys of a tenant, and all keys of a user, are one document each and change together or not at all. Changes are by
 *   compare-and-set of its revision, so that of any number of callers one makes the next key.
 * - What is destroyed is overwritten: its id and time stay, its bytes don't. In the files of SQLite none are left once the call
 *   has resolved; engines that keep a journal or a history of their own are told of in ADR 31.
 * - Times are given by the caller, UTC milliseconds.
 * - Rejects with CaasError UNAVAILABLE when the engine does not answer, OVERLOADED when too many calls wait,
 *   INVALID_ARGUMENT when a limit below is passed.
 */

/** Greatest number of users one call may name, change or list. */
export const maxUsersPerCall = 500;
/** Greatest number of keys a user has, those destroyed included. */
export const maxKeysPerUser = 100;
/** Greatest number of versions of a tenant's key, those destroyed included. */
export const maxTenantKeyVersions = 1_000;

export interface TenantKeyRecord {
  /** 1, 2, 3 …; the greatest is the current one. */
  version: number;
  /** Wrapped by the vault; empty once destroyed. */
  wrapped: Uint8Array;
  createdAtMs: number;
  /** 0: not. */
  destroyedAtMs: number;
}

export interface TenantKeys {
  tenantId: string;
  /** Counts the changes of the document, from 1. */
  rev: number;
  /** By version, the newest last. */
  keys: TenantKeyRecord[];
}

export interface TenantKeyStore {
  get(tenantId: string): Promise<TenantKeys | undefined>;
  /** Puts a tenant's keys in the place of those at `expectRev` (0: none), as its successor; false when others are there. */
  put(keys: Omit<TenantKeys, 'rev'>, expectRev: number): Promise<boolean>;
  /** Tenants by id after `afterTenantId`, at most `limit`. */
  list(afterTenantId: string, limit: number): Promise<TenantKeys[]>;
}

export interface DataKeyRecord {
  /** 1, 2, 3 … of the user; the greatest is the current one while the user's keys are not destroyed. */
  generation: number;
  /** Version of the tenant's key it is wrapped by. */
  tenantKeyVersion: number;
  /** Empty once destroyed. */
  wrapped: Uint8Array;
  createdAtMs: number;
  /** 0: not. */
  destroyedAtMs: number;
}

/** Names the document of a user's keys: derived from tenant and user, and a part of every key's id. */
export interface UserKeysName {
  tenantId: string;
  ref: string;
}

export interface UserKeys extends UserKeysName {
  userId: string;
  /** Counts the changes of the document, from 1. */
  rev: number;
  /** By generation, the newest last. */
  keys: DataKeyRecord[];
  /** When the user's keys were destroyed; then there is never a new one. 0: not. */
  destroyedAtMs: number;
}

export interface UserKeysChange {
  keys: Omit<UserKeys, 'rev' | 'destroyedAtMs'>;
  /** Revision it follows; 0: there is none yet. */
  expectRev: number;
}

export interface DestroyedCursor {
  destroyedAtMs: number;
  ref: string;
}

export interface UserKeyStore {
  /** In the order of the names, undefined where there is none; at most `maxUsersPerCall`. */
  getMany(names: readonly UserKeysName[]): Promise<(UserKeys | undefined)[]>;
  /**
   * Puts keys of users, each in the place of those at its `expectRev`, as their successor: false, and nothing changed, where
   * others are there or the user's keys were destroyed. At most `maxUsersPerCall`, each named once.
   */
  put(changes: readonly UserKeysChange[]): Promise<boolean[]>;
  /** Destroys all keys of a user, and that there may ever be another. What was destroyed before keeps its time. */
  destroy(user: { tenantId: string; userId: string }, atMs: number): Promise<UserKeys>;
  /** A tenant's users by ref after `afterRef`, at most `limit` ≤ `maxUsersPerCall`. */
  ofTenant(tenantId: string, afterRef: string, limit: number): Promise<UserKeys[]>;
  /** Users of all tenants whose keys were destroyed after the cursor, in order of (destroyedAtMs, ref). */
  destroyedAfter(cursor: DestroyedCursor, limit: number): Promise<UserKeys[]>;
}

export interface KeyStore {
  tenants: TenantKeyStore;
  users: UserKeyStore;
  /** Lets pending calls finish; later ones reject. Idempotent. */
  close(): Promise<void>;
}
