import type { MediaKind, MediaRefusal, MediaState } from '@caas/proto/caas/media/v1/resources';

/**
 * What is known of media, one record each; the bytes are in the ObjectStore. Embedded: SQLite.
 *
 * What callers may rely on:
 * - A change is durable (survives kill -9 and power loss) before its call resolves, and seen by every read that starts after.
 * - Changes are by compare-and-set of the record's revision, so that of any number of callers one makes the next step.
 * - Bytes a record no longer has (its sealed name) are overwritten in the files of SQLite.
 * - Times are given by the caller, UTC milliseconds.
 * - Rejects with CaasError UNAVAILABLE when the engine does not answer, OVERLOADED when too many calls wait,
 *   INVALID_ARGUMENT when a limit below is passed.
 */

/** Greatest number of records one call names or lists. */
export const maxMediaPerCall = 500;

/** A form media is available in, as it is kept. */
export interface RenditionRecord {
  name: string;
  mediaType: string;
  sizeBytes: number;
  /** In pixels; 0: has none. */
  width: number;
  height: number;
}

export interface MediaRecord {
  tenantId: string;
  mediaId: string;
  userId: string;
  /** Counts the changes of the record, from 1. */
  rev: number;
  state: MediaState;
  refusal: MediaRefusal;
  kind: MediaKind;
  /** As examined; until then as claimed. */
  mediaType: string;
  /** The name, sealed under a key of its uploader; empty once deleted. */
  sealedName: Uint8Array;
  sizeBytes: number;
  /** As announced; once examined, as it is. */
  sha256: string;
  renditions: RenditionRecord[];
  capabilitiesMissing: string[];
  /** Times its processing was begun. */
  attempts: number;
  createdAtMs: number;
  /** When somebody has to look at it again: an upload that nobody ended, a process that died, bytes to sweep. 0: never. */
  dueAtMs: number;
}

export interface MediaName {
  tenantId: string;
  mediaId: string;
}

export interface MediaStore {
  /** Keeps a new record, at revision 1; false when there is one of its name. */
  create(record: Omit<MediaRecord, 'rev'>): Promise<boolean>;
  /** Puts a record in the place of the one at its `rev`, as its successor; false when another is there, or none. */
  replace(record: MediaRecord): Promise<boolean>;
  /** In the order of the ids, undefined where there is none; at most `maxMediaPerCall`. */
  getMany(tenantId: string, mediaIds: readonly string[]): Promise<(MediaRecord | undefined)[]>;
  /** What a user has uploaded, by id after `afterMediaId`, at most `limit`. */
  ofUser(user: { tenantId: string; userId: string }, afterMediaId: string, limit: number): Promise<MediaRecord[]>;
  /** How many of a user's media are in one of the states. */
  countOf(user: { tenantId: string; userId: string }, states: readonly MediaState[]): Promise<number>;
  /** Bytes of a tenant's media in one of the states, as uploaded. */
  bytesOf(tenantId: string, states: readonly MediaState[]): Promise<number>;
  /** Records of all tenants that were due at a time or before, those due first first; at most `limit`. */
  due(atMs: number, limit: number): Promise<MediaRecord[]>;
  /** Lets pending calls finish; later ones reject. Idempotent. */
  close(): Promise<void>;
}
