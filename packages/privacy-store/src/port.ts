/**
 * What privacy is done, held and kept: jobs on people's data, legal holds, rules of retention. Embedded: SQLite. Distributed:
 * MongoDB. There is no personal data in it but pseudonymous ids and what operators write.
 *
 * What callers may rely on, in every role:
 * - A change is durable (survives kill -9 and power loss) before its call resolves, and seen by every read that starts after it.
 * - Keys carry the tenant: no call but `due` and `tenants` reaches another one's.
 * - Times are given by the caller, UTC milliseconds.
 * - Rejects with CaasError UNAVAILABLE when the engine does not answer, OVERLOADED when too many calls wait, INVALID_ARGUMENT
 *   when a limit below is passed.
 */
import type { JobKind, JobState } from '@caas/proto/caas/compliance/v1/privacy_service';

/** Greatest number of records one call names or lists. */
export const maxPrivacyPerCall = 500;
/** Greatest number of legal holds of a tenant. */
export const maxHolds = 1_000;

/** A text and who answers for it. */
export interface SignedText {
  text: string;
  /** Ed25519 over its UTF-8 bytes, base64. */
  signature: string;
  keyId: string;
}

export interface JobRecord {
  tenantId: string;
  jobId: string;
  /** Counts the changes of the record, from 1. */
  rev: number;
  kind: JobKind;
  /** Whom it is about; empty: nobody. */
  userId: string;
  state: JobState;
  step: string;
  doneUnits: number;
  totalUnits: number;
  /** Who asked for it. */
  startedBy: string;
  createdAtMs: number;
  /** 0: has not ended. */
  endedAtMs: number;
  /** Why it failed, or what keeps it waiting; empty: nothing. */
  reason: string;
  /** Of the request, 32 hex digits; empty: of none. */
  traceId: string;
  dryRun: boolean;
  wouldGo: number;
  heldBack: number;
  /** True from before the first irreversible act on. */
  destroying: boolean;
  /** What it knows so far, JSON; its own to read. */
  memo: string;
  certificate?: SignedText | undefined;
  /** When somebody has to go on with it. 0: never. */
  dueAtMs: number;
}

export interface JobPlace {
  createdAtMs: number;
  jobId: string;
}

export interface JobStore {
  /** Keeps a new job, at revision 1; false when there is one of its id. */
  create(job: Omit<JobRecord, 'rev'>): Promise<boolean>;
  get(tenantId: string, jobId: string): Promise<JobRecord | undefined>;
  /** Puts a job in the place of the one at its `rev`, as its successor; false when another is there, or none. */
  replace(job: JobRecord): Promise<boolean>;
  /** Of a tenant, newest first, after a place; at most `limit`. */
  list(tenantId: string, after: JobPlace | undefined, limit: number): Promise<JobRecord[]>;
  /** Jobs of a tenant that have begun to destroy and have not ended, by id after `afterJobId`; at most `limit`. */
  destroying(tenantId: string, afterJobId: string, limit: number): Promise<JobRecord[]>;
  /** Jobs of all tenants that were due at a time or before, those due first first; at most `limit`. */
  due(atMs: number, limit: number): Promise<JobRecord[]>;
}

export interface HoldRecord {
  tenantId: string;
  holdId: string;
  /** Empty, as is `conversationId`: the whole tenant. */
  userId: string;
  conversationId: string;
  reason: string;
  putBy: string;
  putAtMs: number;
}

export interface HoldStore {
  /** Keeps a hold, in place of one of its id; false, and nothing changed, when the tenant has `maxHolds` others. */
  put(hold: HoldRecord): Promise<boolean>;
  /** False: there was none. */
  remove(tenantId: string, holdId: string): Promise<boolean>;
  /** All of a tenant, by id. */
  list(tenantId: string): Promise<HoldRecord[]>;
}

export interface RetentionRecord {
  tenantId: string;
  /** Empty: the tenant's default. */
  conversationId: string;
  keepMs: number;
  putBy: string;
  putAtMs: number;
}

export interface RetentionStore {
  /** Keeps a rule, in place of one for the same; one of `keepMs` 0 is removed. */
  put(rule: RetentionRecord): Promise<void>;
  /** In the order of the conversations, undefined where there is none; at most `maxPrivacyPerCall`. */
  getMany(tenantId: string, conversationIds: readonly string[]): Promise<(RetentionRecord | undefined)[]>;
  /** By conversation, after one; undefined: from the tenant's default on. At most `limit`. */
  list(tenantId: string, afterConversationId: string | undefined, limit: number): Promise<RetentionRecord[]>;
  /** Tenants with rules, by id after `afterTenantId`, at most `limit`. */
  tenants(afterTenantId: string, limit: number): Promise<string[]>;
}

export interface PrivacyStore {
  jobs: JobStore;
  holds: HoldStore;
  retention: RetentionStore;
  /** Lets pending calls finish; later ones reject with DRAINING. Idempotent. */
  close(): Promise<void>;
}
