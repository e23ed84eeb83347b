/**
 * Accounts: tenants, their apps and users, the users' sessions, and the platform's signing keys.
 * Embedded: SQLite. Distributed: MongoDB.
 *
 * What callers may rely on, in every role:
 * - A change is durable (survives kill -9 and power loss) before its call resolves.
 * - Every verb touches its documents one by one, each atomically; nothing depends on several documents at once.
 * - A read after a resolved change sees it.
 * - Keys carry the tenant. The exception is the app id: it is what says which tenant a caller belongs to.
 * - Times are given by the caller, UTC milliseconds.
 * - Rejects with CaasError UNAVAILABLE when the engine does not answer, OVERLOADED when too many calls wait,
 *   INVALID_ARGUMENT when a limit below is passed.
 */
import type { SigningKeyStore } from '@caas/kit/signing-keys';

/** Greatest number of ids one call of UserStore may name. */
export const maxUsersPerCall = 500;
/** Greatest number of sessions one call of SessionStore may name or list. */
export const maxSessionsPerCall = 5000;
/** Greatest number of entries of a user's metadata. */
export const maxMetadataEntries = 50;
/** Greatest size of a user's metadata, in bytes of its JSON in UTF-8. */
export const maxMetadataBytes = 8192;
/** Greatest number of secrets an app has at a time: the current one and the one it replaces. */
export const maxAppSecrets = 2;

/** Limits of a tenant that differ from the platform's defaults; names as in caas.common.v1.TenantLimits. */
export interface TenantLimitsRecord {
  maxTextBytes?: number | undefined;
  maxAttachments?: number | undefined;
  maxMentions?: number | undefined;
  maxReactionKinds?: number | undefined;
  maxMembers?: number | undefined;
  maxConversations?: number | undefined;
  sendsPerSecond?: number | undefined;
  sendsBurst?: number | undefined;
  framesPerMinute?: number | undefined;
  maxConnections?: number | undefined;
}

export interface Tenant {
  tenantId: string;
  name: string;
  createdAtMs: number;
  limits: TenantLimitsRecord;
  /** Origins a browser may connect from; empty: any. */
  allowedOrigins: string[];
}

export interface TenantStore {
  /** Stores a tenant; false, and nothing changed, when its id is taken. */
  create(tenant: Tenant): Promise<boolean>;
  get(tenantId: string): Promise<Tenant | undefined>;
}

export interface AppSecret {
  /** SHA-256 of the secret, base64url. */
  hash: string;
  createdAtMs: number;
  /** When it stops being valid; absent: not before it is replaced. */
  expiresAtMs?: number | undefined;
}

export interface App {
  appId: string;
  tenantId: string;
  name: string;
  createdAtMs: number;
  /** Newest first, at most `maxAppSecrets`. */
  secrets: AppSecret[];
  /** Counts the changes of the document, from 1. */
  version: number;
}

export interface AppStore {
  /** Stores an app with version 1; false, and nothing changed, when its id is taken. */
  create(app: Omit<App, 'version'>): Promise<boolean>;
  get(appId: string): Promise<App | undefined>;
  /** Replaces the secrets when the app is still at `expectVersion`; false when it is not, or is gone. */
  replaceSecrets(appId: string, expectVersion: number, secrets: readonly AppSecret[]): Promise<boolean>;
}

export interface User {
  tenantId: string;
  /** Derived from tenant and external id: pseudonymous, and the same for whoever meets the user first. */
  userId: string;
  /** The tenant's own name of the user. */
  externalId: string;
  /** Empty when never given. */
  displayName: string;
  /** Empty when never given. */
  avatarUrl: string;
  metadata: Readonly<Record<string, string>>;
  createdAtMs: number;
  updatedAtMs: number;
  /** True: may not sign in. */
  deactivated: boolean;
}

/** Fields that are absent stay as they are. */
export interface ProfileChange {
  displayName?: string | undefined;
  avatarUrl?: string | undefined;
  /** Replaces all of the metadata. */
  metadata?: Readonly<Record<string, string>> | undefined;
  deactivated?: boolean | undefined;
}

export interface UserStore {
  /**
   * Creates the user when new; a display name that is given and differs is kept, but not of one who is deactivated. Concurrent calls for one user yield one
   * user, of which one call says `created`.
   */
  upsert(input: {
    tenantId: string;
    externalId: string;
    displayName?: string | undefined;
    nowMs: number;
  }): Promise<{ user: User; created: boolean }>;
  get(tenantId: string, userId: string): Promise<User | undefined>;
  /** In the order of the ids, undefined where there is no such user; at most `maxUsersPerCall`. */
  getMany(tenantId: string, userIds: readonly string[]): Promise<(User | undefined)[]>;
  /** In the order of the external ids, undefined where there is no such user; at most `maxUsersPerCall`. */
  getByExternalIds(tenantId: string, externalIds: readonly string[]): Promise<(User | undefined)[]>;
  /** The changed user; undefined when there is none. */
  updateProfile(tenantId: string, userId: string, change: ProfileChange, nowMs: number): Promise<User | undefined>;
  /**
   * Leaves of a user the id, deactivated; false: there is no such user. When it resolves no file of SQLite has bytes of what was
   * taken out, nor of sessions that were removed before. It writes the file anew for that: seconds where it is large.
   */
  erase(tenantId: string, userId: string, nowMs: number): Promise<boolean>;
}

export type EndReason = 'LOGOUT' | 'ENDED_BY_USER' | 'REFRESH_TOKEN_REUSED' | 'TOO_MANY_SESSIONS' | 'OPERATOR';

export interface SessionKey {
  tenantId: string;
  sessionId: string;
}

export interface SessionOfUser extends SessionKey {
  userId: string;
}

/** A session, and at the same time the family of its refresh tokens. */
export interface Session extends SessionOfUser {
  appId: string;
  scopes: string[];
  device: string;
  remoteAddress: string;
  createdAtMs: number;
  refreshedAtMs: number;
  /** When the newest refresh token, and the session with it, expires. */
  expiresAtMs: number;
  /** Number of the newest refresh token, from 1. */
  generation: number;
  endedAtMs?: number | undefined;
  endReason?: EndReason | undefined;
}

export interface EndedCursor {
  endedAtMs: number;
  sessionId: string;
}

/** A session is live while it has no end and `nowMs < expiresAtMs`. */
export interface SessionStore {
  /** Stores a session; false, and nothing changed, when its id is taken. */
  create(session: Session): Promise<boolean>;
  /** In the order of the keys, undefined where there is none; at most `maxSessionsPerCall`. */
  getMany(keys: readonly SessionKey[]): Promise<(Session | undefined)[]>;
  /** Live sessions of a user, newest first, after the first `skip`; `limit` ≤ `maxSessionsPerCall`. */
  listLive(query: { tenantId: string; userId: string; nowMs: number; skip: number; limit: number }): Promise<Session[]>;
  /**
   * Moves a live session from generation `expectGeneration` to the next: of any number of concurrent calls one gets the
   * session, the others undefined. Undefined too when the session is not live; the caller reads to learn which.
   */
  advance(
    key: SessionKey,
    expectGeneration: number,
    to: { refreshedAtMs: number; expiresAtMs: number },
  ): Promise<Session | undefined>;
  /**
   * Ends sessions; returns those that this call ended, so each end is reported once. An ended session stays ended.
   * At most `maxSessionsPerCall`.
   */
  end(keys: readonly SessionKey[], endedAtMs: number, reason: EndReason): Promise<SessionOfUser[]>;
  /** Sessions of all tenants that ended after the cursor, in order of (endedAtMs, sessionId). */
  endedAfter(cursor: EndedCursor, limit: number): Promise<(SessionOfUser & EndedCursor)[]>;
  /** All sessions of a user, live or not, by id after `afterSessionId`; `limit` ≤ `maxSessionsPerCall`. */
  ofUser(user: { tenantId: string; userId: string }, afterSessionId: string, limit: number): Promise<Session[]>;
  /** Removes sessions; returns how many were there. At most `maxSessionsPerCall`. */
  remove(keys: readonly SessionKey[]): Promise<number>;
  /** Removes up to `limit` sessions that ended or expired before a time; returns how many. */
  purge(beforeMs: number, limit: number): Promise<number>;
}

export interface AccountStore {
  tenants: TenantStore;
  apps: AppStore;
  users: UserStore;
  sessions: SessionStore;
  signingKeys: SigningKeyStore;
  /** Lets pending calls finish; later ones reject. Idempotent. */
  close(): Promise<void>;
}
