import { fail } from '@caas/kit';

/** Cursors of an index: an order's name and where its page ended. What surrounds the index makes them opaque. */
export const cursorText = (order: string, parts: readonly (string | number)[]): string =>
  JSON.stringify([order, ...parts]);

const invalid = (): never => fail('CURSOR_INVALID', 'not a cursor of this search');

/** The parts of a cursor that `cursorText` made for the order; each has to pass its check. */
export const readCursor = (text: string, order: string, checks: readonly ((part: unknown) => boolean)[]): unknown[] => {
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch {
    return invalid();
  }
  if (!Array.isArray(parts) || parts.length !== checks.length + 1 || parts[0] !== order) return invalid();
  const rest = parts.slice(1) as unknown[];
  return checks.every((check, i) => check(rest[i])) ? rest : invalid();
};
