/**
 * The content policies of each tenant in versions 1, 2, 3 …, all of which are kept: what a message was judged by can be read
 * years later; and what they hold until a moderator decides. Embedded: SQLite. Distributed: MongoDB.
 *
 * What callers may rely on:
 * - A version is durable (survives kill -9 and power loss) before its put resolves, and is never changed.
 * - Of puts that race for a version one wins. No reader sees version n + 1 before n.
 * - What is held is durable before its call resolves, and kept once. Its bound may be passed by as many as race for it.
 * - Keys carry the tenant: no call reaches another one's policies.
 * - Rejects with CaasError UNAVAILABLE when the engine does not answer, OVERLOADED when too many calls wait, INVALID_ARGUMENT
 *   when a limit below is passed.
 */

/** Greatest number of tenants one call may ask for. */
export const maxTenantsPerCall = 1_000;

export interface PolicyRecord {
  tenantId: string;
  /** 1, 2, 3 … */
  version: number;
  /** The encoded ContentPolicy. */
  policy: Uint8Array;
  /** UTC milliseconds. */
  putAtMs: number;
}

/** What waits for a moderator. */
export interface HeldRecord {
  tenantId: string;
  /** Unique in the tenant; printable ASCII. */
  heldId: string;
  /** Who said it. */
  senderId: string;
  /** The encoded HeldContent. */
  content: Uint8Array;
  /** UTC milliseconds. */
  heldAtMs: number;
}

/** Where a page of what is held ends. */
export type HeldPlace = Pick<HeldRecord, 'heldId' | 'heldAtMs'>;

export interface PolicyStore {
  /** Puts the version after the current one; false, and nothing is changed, when that is another. */
  put(record: PolicyRecord): Promise<boolean>;
  /** A version; 0: the current one. Undefined: there is none. */
  get(tenantId: string, version: number): Promise<PolicyRecord | undefined>;
  /** The current version of each tenant, in their order; 0: it has none. */
  versions(tenantIds: readonly string[]): Promise<number[]>;
  /** Keeps a content; one that is held already stays as it is. False, and nothing is kept, where the tenant has `max`. */
  hold(record: HeldRecord, max: number): Promise<boolean>;
  /** What a tenant has held by time and id, after a place. */
  held(tenantId: string, limit: number, after?: HeldPlace): Promise<HeldRecord[]>;
  /** Takes out what a sender has held, and tells how many; again, none. */
  removeHeldOf(tenantId: string, senderId: string): Promise<number>;
  /** Lets pending calls finish; later ones reject with DRAINING. Idempotent. */
  close(): Promise<void>;
}
