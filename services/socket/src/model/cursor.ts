import { fail } from '@caas/kit';

/** Where a client stands in a conversation. Opaque to clients. */
export interface Cursor {
  conversationId: string;
  rev: number;
  /** Last seq the client holds; -1 in the middle of a paged sync. */
  seq: number;
  /** What the member could read when the cursor was made: when that changes, changes since it are not enough. */
  visibleFromSeq: number;
}

const version = 1;

export const encodeCursor = ({ conversationId, rev, seq, visibleFromSeq }: Cursor): string =>
  Buffer.from(JSON.stringify([version, conversationId, rev, seq, visibleFromSeq])).toString('base64url');

/** CURSOR_INVALID unless it was made by encodeCursor for the same conversation. */
export const decodeCursor = (text: string, conversationId: string): Cursor => {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    return fail('CURSOR_INVALID', 'not a cursor of this service');
  }
  const [kind, conversation, rev, seq, visibleFromSeq] = Array.isArray(parts) ? (parts as unknown[]) : [];
  const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= -1;
  if (kind !== version || conversation !== conversationId || !whole(rev) || !whole(seq) || !whole(visibleFromSeq)) {
    return fail('CURSOR_INVALID', 'not a cursor of this conversation');
  }
  return { conversationId, rev, seq, visibleFromSeq };
};
