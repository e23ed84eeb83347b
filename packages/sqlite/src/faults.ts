import { CaasError } from '@caas/kit';
import type { Fault } from './messages.ts';

/** Primary result codes that say "not now" rather than "wrong statement" (https://sqlite.org/rescode.html). */
const passing = new Map<number, string>([
  [5, 'SQLITE_BUSY'],
  [6, 'SQLITE_LOCKED'],
  [7, 'SQLITE_NOMEM'],
  [8, 'SQLITE_READONLY'],
  [10, 'SQLITE_IOERR'],
  [11, 'SQLITE_CORRUPT'],
  [13, 'SQLITE_FULL'],
  [14, 'SQLITE_CANTOPEN'],
  [15, 'SQLITE_PROTOCOL'],
  [26, 'SQLITE_NOTADB'],
]);

/** Those that no waiting mends: the file has to be restored. */
const damage: ReadonlySet<string | undefined> = new Set(['SQLITE_CORRUPT', 'SQLITE_NOTADB']);

/**
 * What the caller gets for an error of the thread: UNAVAILABLE when the engine could not do it, retryable unless
 * the file is damaged; INTERNAL when the statement or the handler is wrong. The cause keeps the thread's message and stack, for logs only.
 */
export const faultToError = (fault: Fault): CaasError => {
  const cause = new Error(fault.message);
  if (fault.stack !== undefined) cause.stack = fault.stack;
  const name = fault.sqliteCode === undefined ? undefined : passing.get(fault.sqliteCode & 0xff);
  return name === undefined
    ? new CaasError('INTERNAL', 'internal error', { cause })
    : new CaasError('UNAVAILABLE', 'the database cannot serve this now', {
        details: { engine: name },
        cause,
        ...(damage.has(name) && { retryable: false as const }),
      });
};
