/**
 * What the worker half of an adapter may import. Nothing else is loaded in the thread, because every import here costs
 * cold-start time: keep handler modules to `node:*`, relative files and type-only imports.
 */
import type { DatabaseSync } from 'node:sqlite';

/** The methods of a handler module: one argument in, one result out, both structured-cloneable. Synchronous. */
export type Handlers = Record<string, (args: never) => unknown>;

/** Shape of a handler module, the worker half of an adapter. */
export interface HandlerModule {
  /** SQL scripts; script i brings the schema from `user_version` i to i + 1, in one transaction. Never edit, only append. */
  migrations: readonly string[];
  /** Called once per thread after the migrations. `options` is what the main half gave to `openSqliteHost`. */
  open(db: DatabaseSync, options: never): Handlers;
}

/**
 * Runs `work` in one write transaction and returns its result; any throw (also of COMMIT, as with a full disk) rolls
 * back and is passed on. Must not be nested.
 */
export const inTransaction = <R>(db: DatabaseSync, work: () => R): R => {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (thrown) {
    // A failed COMMIT may have rolled back by itself; then ROLLBACK would hide the first error.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw thrown;
  }
};

const transfers = new WeakMap<object, ArrayBuffer[]>();

/** Marks a handler's result so that these buffers move to the main thread instead of being copied. */
export const withTransfer = <R extends object>(result: R, buffers: ArrayBuffer[]): R => {
  transfers.set(result, buffers);
  return result;
};

/** The buffers a result was marked with. */
export const transfersOf = (result: unknown): ArrayBuffer[] =>
  (typeof result === 'object' && result !== null ? transfers.get(result) : undefined) ?? [];
