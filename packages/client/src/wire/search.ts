import { flag, list, type MessageKind, message, text, whole } from './shape.ts';

/** What to look for, and where. */
export interface SearchRequest {
  /** Words, all of which have to be there; the last one may be a beginning; "…" is a phrase. At most 1,024 bytes. */
  query: string;
  /** Only in this conversation. */
  conversationId?: string;
  /** Greatest number of hits of a page: 20, at most 100. */
  limit?: number;
  /** Only of these senders, at most 100. */
  senderIds?: readonly string[];
  /** Accepted at or after, UTC milliseconds since 1970. */
  fromMs?: number;
  /** Accepted before, UTC milliseconds since 1970. */
  untilMs?: number;
  /** Only with (true) or without (false) attachments. */
  hasAttachment?: boolean;
  /** Best match first instead of newest first. */
  byRelevance?: boolean;
  /** `nextCursor` of the page before. */
  cursor?: string;
}

/** A part of a snippet that matches, in UTF-16 code units, as strings of JavaScript count. */
export interface Highlight {
  readonly start: number;
  readonly length: number;
}
const highlight: MessageKind<Highlight> = message('caas.search.v1.Highlight', { start: whole, length: whole });

/** A message that matches. */
export interface SearchHit {
  readonly conversationId: string;
  readonly messageId: string;
  readonly seq: number;
  readonly senderId: string;
  /** UTC milliseconds since 1970. */
  readonly acceptedAtMs: number;
  /** Up to 300 bytes of its text, or of the name of an attachment, around the first match. */
  readonly snippet: string;
  readonly highlights: readonly Highlight[];
  readonly hasAttachment: boolean;
}
const hit: MessageKind<SearchHit> = message('caas.search.v1.SearchHit', {
  conversationId: text,
  messageId: text,
  seq: whole,
  senderId: text,
  acceptedAtMs: whole,
  snippet: text,
  highlights: list(highlight),
  hasAttachment: flag,
});

/** A page of what a search has found. */
export interface Found {
  readonly hits: readonly SearchHit[];
  /** Gets the next page; empty: this was the last. */
  readonly nextCursor: string;
  /** How far the index is behind, in milliseconds. */
  readonly lagMs: number;
}
export const foundKind: MessageKind<Found> = message('caas.socket.v1.Found', {
  hits: list(hit),
  nextCursor: text,
  lagMs: whole,
});
