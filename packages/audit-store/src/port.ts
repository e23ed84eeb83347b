/**
 * The audit log of each tenant: entries 0, 1, 2 …, the hashes of the Merkle tree over them, its newest signed checkpoint, and
 * the keys that sign. Embedded: SQLite. Distributed: MongoDB.
 *
 * What callers may rely on, in every role:
 * - A change is durable (survives kill -9 and power loss) before its call resolves, and a read after it sees it.
 * - An entry is never changed and never removed. No reader sees entry n + 1 before n.
 * - Keys carry the tenant: no call reaches another one's entries.
 * - Rejects with CaasError UNAVAILABLE when the engine does not answer, OVERLOADED when too many calls wait, INVALID_ARGUMENT
 *   when a limit below is passed.
 */
import type { Subtree } from '@caas/compliance-client/merkle';
import type { SigningKeyStore } from '@caas/kit/signing-keys';

/** Greatest number of entries one call may append or read. */
export const maxEntriesPerCall = 1_000;
/** Greatest number of subtrees one call may ask for: more than any proof needs. */
export const maxSubtreesPerCall = 4_096;

/** What an entry can be found by. */
export interface EntryKeys {
  /** Of the event; one entry has it. */
  eventId: string;
  /** When it happened, UTC milliseconds. */
  atMs: number;
  actorId: string;
  subjectId: string;
  /** "area.verb". */
  action: string;
  /** Empty: of no trace. */
  traceId: string;
}

export interface NewEntry extends EntryKeys {
  /** When it was taken in, UTC milliseconds. */
  loggedAtMs: number;
  /** What is hashed: the encoded AuditEntry. */
  leaf: Uint8Array;
  /** Hashes of the complete subtrees that end with it, levels 0, 1, 2 …, 32 bytes each. */
  subtrees: readonly Uint8Array[];
}

export interface TreeHead {
  /** Number of entries; 0: the tenant has none. */
  size: number;
  /** When the last one was taken in; 0: there is none. */
  loggedAtMs: number;
}

/** All that is given holds. */
export interface EntryQuery {
  tenantId: string;
  actorId?: string;
  subjectId?: string;
  /** One action, or with a trailing ".*" all of an area. */
  action?: string;
  traceId?: string;
  /** Happened at or after. */
  fromMs?: number;
  /** Happened before. */
  untilMs?: number;
  /** Only what comes after it in the order of the answer. */
  after?: EntryPlace;
  limit: number;
}

/** Where an entry is in an answer: newest first by when it happened, then by index. */
export interface EntryPlace {
  atMs: number;
  index: number;
}

export interface FoundEntry extends EntryPlace {
  leaf: Uint8Array;
}

export interface TreeStore {
  head(tenantId: string): Promise<TreeHead>;
  /** Those of the events that have an entry. */
  known(tenantId: string, eventIds: readonly string[]): Promise<string[]>;
  /**
   * Appends entries to a tree of `size`; answers how many. All of them, unless another writer has let the tree grow: then a
   * number of the first ones, as a rule none, and the tree is to be looked at anew.
   */
  append(tenantId: string, size: number, entries: readonly NewEntry[]): Promise<number>;
  /** The leaves from an index on, in order. */
  leaves(tenantId: string, from: number, limit: number): Promise<Uint8Array[]>;
  /** Hashes of complete subtrees, all of them in the tree; NOT_FOUND else. */
  subtrees(tenantId: string, subtrees: readonly Subtree[]): Promise<Uint8Array[]>;
  query(query: EntryQuery): Promise<FoundEntry[]>;
}

export interface CheckpointRecord {
  tenantId: string;
  treeSize: number;
  rootHash: Uint8Array;
  signedAtMs: number;
  keyId: string;
  signature: Uint8Array;
}

/** The newest checkpoint of each tenant; who wants to be sure of the past keeps earlier ones elsewhere. */
export interface CheckpointStore {
  newest(tenantId: string): Promise<CheckpointRecord | undefined>;
  /** Keeps it, unless one of a larger tree is there. */
  keep(checkpoint: CheckpointRecord): Promise<void>;
}

export interface AuditStore {
  trees: TreeStore;
  checkpoints: CheckpointStore;
  signingKeys: SigningKeyStore;
  /** Lets pending calls finish; later ones reject with DRAINING. Idempotent. */
  close(): Promise<void>;
}
