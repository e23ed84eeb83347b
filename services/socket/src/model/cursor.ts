import { fail, isId } from '@caas/kit';

/** Where a client stands in a conversation. Opaque to clients. */
export interface Cursor {
  conversationId: string;
  rev: number;
  /** Last seq the client holds; -1 in the middle of a paged sync. */
  seq: number;
  /** Where a page ended among changes written past the head `rev`; 0: not there. Means nothing once the head moves. */
  pastRev: number;
  /** What the member could read when the cursor was made: when that changes, changes since it are not enough. */
  visibleFromSeq: number;
}

const version = 1;

export const encodeCursor = ({ conversationId, rev, seq, visibleFromSeq, pastRev }: Cursor): string => {
  const parts = [version, conversationId, rev, seq, visibleFromSeq];
  return Buffer.from(JSON.stringify(pastRev > 0 ? [...parts, pastRev] : parts)).toString('base64url');
};

/** CURSOR_INVALID unless it was made by encodeCursor for the same conversation. */
export const decodeCursor = (text: string, conversationId: string): Cursor => {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    return fail('CURSOR_INVALID', 'not a cursor of this service');
  }
  const [kind, conversation, rev, seq, visibleFromSeq, pastRev = 0] = Array.isArray(parts) ? (parts as unknown[]) : [];
  const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= -1;
  if (
    kind !== version ||
    conversation !== conversationId ||
    !whole(rev) ||
    !whole(seq) ||
    !whole(visibleFromSeq) ||
    !whole(pastRev)
  ) {
    return fail('CURSOR_INVALID', 'not a cursor of this conversation');
  }
  return { conversationId, rev, seq, visibleFromSeq, pastRev };
};

/** Where a list goes on, as `next` of its last page said: an id of ours, or '' for the start; else CURSOR_INVALID. */
export const listedAfter = (after: string): string =>
  after === '' || isId(after) ? after : fail('CURSOR_INVALID', 'not what a page gave as next');
