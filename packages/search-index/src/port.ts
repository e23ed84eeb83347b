import type { Clause } from './text/query.ts';

/**
 * What messages say, to be found by words. Embedded: SQLite FTS5. Distributed: OpenSearch. It holds nothing that the
 * message store does not have: it can be lost and is written anew from there.
 *
 * Order. A document is replaced by the same or a later version of it, and left alone by an earlier one, without an error;
 * so are progress and marks of an earlier batch. A tombstone is a version like any other, and leaves no text.
 *
 * Durability. What `apply` resolved for is in the index, and found by searches that start `visibleAfterMs` later. Of a call
 * that rejects, any part may have happened, but progress and marks never without the documents of their batch.
 *
 * Access. A search finds what is in the conversations it is given, from the seq it is given on, of the tenant it names, and
 * nothing of the rest has a say in what it answers: no hit, no count, no cursor.
 *
 * Every call rejects with CaasError UNAVAILABLE when the engine does not answer in time, and with INVALID_ARGUMENT when it
 * has more than a call may have.
 */
export interface SearchIndex {
  /** Longest time until what was applied is found, in milliseconds. */
  readonly visibleAfterMs: number;
  /** Applies documents, then what is known of where they come from. At most `maxDocumentsPerApply` documents. */
  apply(batch: IndexBatch): Promise<void>;
  /** For each conversation: the revision up to which the index has it, 0 when it has nothing. */
  progress(keys: readonly ConversationKey[]): Promise<number[]>;
  /** What the index has of messages, in the order of the keys; undefined where it has nothing. At most `maxRecords` keys. */
  records(keys: readonly MessageKey[]): Promise<(IndexRecord | undefined)[]>;
  /** Values of marks, in the order of their names; undefined where there is none. */
  marks(names: readonly string[]): Promise<(string | undefined)[]>;
  /** A page of messages that match. CURSOR_INVALID for an `after` that no page of this order gave. */
  search(query: IndexQuery): Promise<IndexPage>;
  /** Longest time until what was purged has left the engine's files, in milliseconds. */
  readonly goneAfterMs: number;
  /**
   * Takes what a sender said out, for good: nothing of it is found when this resolves, and nothing of it is in the engine's
   * files `goneAfterMs` later, whatever ends meanwhile. Versions that were in the index don't come back, later ones do.
   * Answers how many messages it took.
   */
  purgeSender(tenantId: string, senderId: string): Promise<number>;
  /** Messages that can be found. */
  count(): Promise<number>;
  close(): Promise<void>;
}

/** Greatest number of documents in one `apply`. */
export const maxDocumentsPerApply = 1_000;
/** Greatest number of conversations a search may be given. */
export const maxReadableConversations = 10_000;
/** Greatest number of hits of one page. */
export const maxHits = 200;
/** Matches, newest first, among which the best are told when a search asks for them. */
export const relevanceWindow = 500;

export interface ConversationKey {
  tenantId: string;
  conversationId: string;
}

/** Greatest number of keys `records` may be given. */
export const maxRecords = 1_000;

export interface MessageKey extends ConversationKey {
  messageId: string;
}

/** How a message stands in the index: its text is not told. */
export interface IndexRecord {
  /** Revision of the message. */
  version: number;
  /** False: a tombstone, or purged. */
  found: boolean;
  /** Trace the message was sent in; empty: not known. */
  traceId: string;
  /** When this version was given to the index, UTC milliseconds since 1970; 0: not known. */
  indexedAtMs: number;
}

export interface IndexDocument extends MessageKey {
  senderId: string;
  seq: number;
  /** Revision of the message; sorts its versions. */
  version: number;
  /** UTC milliseconds since 1970; the same in every version. */
  acceptedAtMs: number;
  hasAttachment: boolean;
  /** Trace the message was sent in; empty: not known. */
  traceId: string;
  /** What is found; undefined: a tombstone. */
  content: { text: string; names: readonly string[] } | undefined;
}

export interface IndexBatch {
  documents: readonly IndexDocument[];
  /** Conversations of which the index then has everything up to a revision. */
  progress?: readonly (ConversationKey & { rev: number })[];
  /** Small values kept with the index, at most `maxMarkBytes` each. */
  marks?: Readonly<Record<string, string>>;
  /** Documents are written even where the index has the very same. */
  rewrite?: boolean;
}

/** Greatest size of a mark, in bytes. */
export const maxMarkBytes = 1024 * 1024;

export interface IndexQuery {
  tenantId: string;
  /** Conversations that may be read, each with the least seq that may be; 0 and 1 alike: all. */
  readable: ReadonlyMap<string, number>;
  /** All of them have to be there; at least one. */
  clauses: readonly Clause[];
  /** Of these senders; absent: of all. */
  senderIds?: readonly string[];
  /** Accepted at or after; 0: any. */
  fromMs?: number;
  /** Accepted before; 0: any. */
  untilMs?: number;
  hasAttachment?: boolean | undefined;
  /** Newest first, or of the newest `relevanceWindow` matches the best first. */
  order: 'newest' | 'relevance';
  limit: number;
  /** `next` of the page before; pages don't overlap or skip, whatever is written meanwhile. */
  after?: string;
}

export interface IndexHit {
  conversationId: string;
  messageId: string;
  senderId: string;
  seq: number;
  acceptedAtMs: number;
}

export interface IndexPage {
  hits: IndexHit[];
  /** Gets the page after this one; undefined: there is none. */
  next: string | undefined;
}
