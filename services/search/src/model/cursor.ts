import { fail, sha256 } from '@caas/kit';

const version = 1;
const maxCursorBytes = 1_024;

/** What a cursor belongs to: it means something only to the same user's same search. */
const digestOf = (search: unknown): string => sha256(JSON.stringify(search)).slice(0, 16);

export const encodeCursor = (search: unknown, after: string | undefined): string =>
  after === undefined ? '' : Buffer.from(JSON.stringify([version, digestOf(search), after])).toString('base64url');

/** Where the index goes on; undefined: at the beginning. CURSOR_INVALID unless a page of this very search gave it. */
export const decodeCursor = (search: unknown, text: string): string | undefined => {
  if (text === '') return undefined;
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text.slice(0, maxCursorBytes), 'base64url').toString());
  } catch {
    return fail('CURSOR_INVALID', 'not a cursor of this service');
  }
  const [kind, digest, after] = Array.isArray(parts) ? (parts as unknown[]) : [];
  if (kind !== version || digest !== digestOf(search) || typeof after !== 'string')
    return fail('CURSOR_INVALID', 'not a cursor of this search');
  return after;
};
