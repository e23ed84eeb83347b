import { fail } from '@caas/kit';
import {
  type IndexBatch,
  type IndexQuery,
  maxDocumentsPerApply,
  maxHits,
  maxMarkBytes,
  maxReadableConversations,
  maxRecords,
} from './port.ts';

const atMost = (limit: string, value: number, max: number): void => {
  if (value > max) fail('INVALID_ARGUMENT', `more than ${limit} allows`, { details: { limit, value: String(max) } });
};

/** Refuses a batch that has more than a call may have. */
export const checkBatch = ({ documents, marks = {} }: IndexBatch): void => {
  atMost('maxDocumentsPerApply', documents.length, maxDocumentsPerApply);
  for (const value of Object.values(marks)) atMost('maxMarkBytes', Buffer.byteLength(value), maxMarkBytes);
};

/** Refuses more keys than a call may have. */
export const checkKeys = (keys: readonly unknown[]): void => atMost('maxRecords', keys.length, maxRecords);

/** Refuses a search that has more than a call may have. */
export const checkQuery = ({ readable, limit, clauses }: IndexQuery): void => {
  atMost('maxReadableConversations', readable.size, maxReadableConversations);
  atMost('maxHits', limit, maxHits);
  if (clauses.length === 0) fail('INVALID_ARGUMENT', 'a search looks for something', { details: { field: 'clauses' } });
};
