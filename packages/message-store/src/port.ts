import type {
  ConversationDocument,
  HiddenDocument,
  MessageDocument,
  ParticipantDocument,
} from '@caas/proto/caas/events/v1/documents';

/**
 * What was said, by whom, to whom. Embedded: SQLite. Distributed: MongoDB. Written only by the persistence workers.
 *
 * Visibility. A conversation's document is its commit point: a message is committed when `seq ≤ last_seq`. Documents
 * past the head are uncommitted: they may be overwritten and are never shown. A committed document may already carry
 * a change whose rev is past the head (written, not yet committed); such a change was accepted and will be committed,
 * so readers get the document, with `rev` clamped to the head they read (callers clamp).
 *
 * Fencing. Every write carries the writer's epoch (from `claimShard`); a document last written under a greater epoch
 * is left as it is, without an error. So a worker that lost its shard changes nothing that counts.
 *
 * Atomicity is one document, no more: of a call that rejects, any part may have happened. What resolved is durable, and
 * seen by every read that starts after it.
 *
 * Every call rejects with CaasError UNAVAILABLE when the engine does not answer within `commandTimeoutMs`, and with
 * INVALID_ARGUMENT when it has more than `maxDocumentsPerCall` documents or keys, or asks for more documents. Every key
 * begins with the tenant.
 */
export interface MessageStore {
  readonly messages: MessageRole;
  readonly conversations: ConversationRole;
  readonly participants: ParticipantRole;
  close(): Promise<void>;
}

/** Greatest number of documents, keys or queries in one call, and of documents one call answers with. */
export const maxDocumentsPerCall = 1_000;

export interface ConversationKey {
  tenantId: string;
  conversationId: string;
}
export interface MessageKey extends ConversationKey {
  messageId: string;
}
export interface ParticipantKey extends ConversationKey {
  userId: string;
}

export interface MessageRole {
  /** Upserts in order, each guarded by its epoch. */
  write(documents: readonly MessageDocument[]): Promise<void>;
  /** The documents that exist, committed or not, in the order of the keys; absent ones are undefined. */
  getMany(keys: readonly MessageKey[]): Promise<(MessageDocument | undefined)[]>;
  /**
   * Messages with fromSeq ≤ seq ≤ toSeq, ordered by seq, `limit` from the given side. Where seqs are without gaps, which
   * committed ones are, the answer itself tells whether it was cut at `maxBytes`.
   */
  page(key: ConversationKey, range: SeqRange): Promise<MessageDocument[]>;
  /** Messages with rev > afterRev and seq ≤ lastSeq, ordered by rev, within the extent. */
  changedSince(key: ConversationKey, afterRev: number, lastSeq: number, extent: Extent): Promise<Stretch>;
  /** Messages of a thread (not its root) with afterSeq < seq ≤ lastSeq, ordered by seq, within the extent. */
  thread(key: MessageKey, afterSeq: number, lastSeq: number, extent: Extent): Promise<Stretch>;
  /** Pinned messages with seq ≤ lastSeq, latest pin first, within the extent. */
  pinned(key: ConversationKey, lastSeq: number, extent: Extent): Promise<Stretch>;
  /** For each query: messages with afterSeq < seq ≤ lastSeq that are neither the user's own nor tombstones. Exact. */
  countUnread(queries: readonly UnreadQuery[]): Promise<number[]>;
  /** Hides messages for one user each. Hidden twice is hidden once, under the greater of the two revs. */
  hide(documents: readonly HiddenDocument[]): Promise<void>;
  /** Ids of messages hidden for the user with fromSeq ≤ seq ≤ toSeq. */
  hiddenIn(key: ParticipantKey, fromSeq: number, toSeq: number): Promise<string[]>;
  /** For each message, by its user and seq: whether it is hidden for the user. */
  areHidden(keys: readonly HiddenKey[]): Promise<boolean[]>;
  /** Hidden entries of the user with rev > afterRev, ordered by rev, at most `limit`. */
  hiddenSince(key: ParticipantKey, afterRev: number, limit: number): Promise<HiddenDocument[]>;
}

/** How much a read of messages may answer. The store stops there: what it does not answer it does not load. */
export interface Extent {
  /** Messages at most. */
  limit: number;
  /**
   * Bytes at most, as the engine stores the documents; absent: no bound but `limit`. The first message is answered in any
   * case, so that whoever asks for the next ones gets on.
   */
  maxBytes?: number;
}

/** The first messages of what was asked for. */
export interface Stretch {
  documents: MessageDocument[];
  /** True exactly when there are others after them. */
  more: boolean;
}

export interface SeqRange extends Extent {
  fromSeq: number;
  toSeq: number;
  /** Which end `limit` counts from; the answer is ascending by seq in either case. */
  from: 'oldest' | 'newest';
}

export interface HiddenKey extends ParticipantKey {
  seq: number;
}

export interface UnreadQuery extends ParticipantKey {
  afterSeq: number;
  lastSeq: number;
}

export interface ConversationRole {
  /** In the order of the keys; absent ones are undefined. */
  getMany(keys: readonly ConversationKey[]): Promise<(ConversationDocument | undefined)[]>;
  /**
   * At most `limit` conversations after one of them, in an order of the engine's own that never changes: to go through all of
   * them, or through those of a tenant. What is created meanwhile may be missed.
   */
  list(after: ConversationKey | undefined, limit: number, tenantId?: string): Promise<ConversationDocument[]>;
  /**
   * Commits heads, each by compare-and-set on its own: 'committed' when the stored head_rev was `expectedHeadRev` (0:
   * absent) and the stored epoch ≤ the document's, else 'stale' and nothing changed. The head_rev may stay the same: that
   * fences off the writers of earlier epochs, which find 'stale' from then on.
   */
  commit(commits: readonly HeadCommit[]): Promise<('committed' | 'stale')[]>;
  /** Makes the caller the writer of a shard: a new epoch, greater than any given before for any shard, durable. */
  claimShard(shard: number): Promise<number>;
  /**
   * The position of the log up to which the shard's records are in this store, as kept last, by any owner: by
   * "topic-partition" the next offset. Empty when none was ever kept.
   */
  shardPosition(shard: number): Promise<Record<string, number>>;
  /**
   * Keeps a shard's position in place of the one before; durable. False: the shard was claimed again since the epoch was
   * given, and nothing has changed.
   */
  keepShardPosition(shard: number, epoch: number, position: Readonly<Record<string, number>>): Promise<boolean>;
}

export interface HeadCommit {
  expectedHeadRev: number;
  document: ConversationDocument;
}

export interface ParticipantRole {
  /** Upserts in order, each guarded by its epoch. */
  write(documents: readonly ParticipantDocument[]): Promise<void>;
  getMany(keys: readonly ParticipantKey[]): Promise<(ParticipantDocument | undefined)[]>;
  /** Participants ordered by user id after `afterUserId`, at most `limit`; active ones only when asked. */
  ofConversation(key: ConversationKey, page: ParticipantPage): Promise<ParticipantDocument[]>;
  /** The user's participations ordered by conversation id after `afterConversationId`, at most `limit`. */
  ofUser(tenantId: string, userId: string, page: ParticipationPage): Promise<ParticipantDocument[]>;
  /** Participants with rev > afterRev, ordered by rev, at most `limit`. */
  changedSince(key: ConversationKey, afterRev: number, limit: number): Promise<ParticipantDocument[]>;
  /** Number of conversations each user is active in, in the order of the ids. */
  countActive(tenantId: string, userIds: readonly string[]): Promise<number[]>;
}

export interface ParticipantPage {
  afterUserId: string;
  limit: number;
  activeOnly: boolean;
}
export interface ParticipationPage {
  afterConversationId: string;
  limit: number;
  activeOnly: boolean;
}
