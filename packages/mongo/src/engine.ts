import { CaasError } from '@caas/kit';
import { type Db, MongoClient } from 'mongodb';
import { engineError } from './errors.ts';
import { type CollectionIndexes, ensureIndexes, type IndexMode } from './indexes.ts';

/** Calls that may be under way or wait for a connection at a time. */
export const defaultMaxPendingCalls = 4096;
/** Longest wait for the answer to a call, in milliseconds. */
export const defaultCommandTimeoutMs = 10_000;
/** Connections to one server at a time. */
export const defaultMaxConnections = 32;
/** How long `close` waits for the calls under way, in milliseconds. */
export const closeTimeoutMs = 10_000;

export interface MongoOptions {
  /** `mongodb://user:password@host:port,host:port/?replicaSet=name&tls=true`; a path names where the user is known. */
  url: string;
  /** Database that holds the collections. Default `caas`. */
  database?: string;
  commandTimeoutMs?: number;
  maxConnections?: number;
  maxPendingCalls?: number;
  /** Whether opening creates the declared indexes that are missing or refuses. Default 'create'. */
  indexes?: IndexMode;
}

export interface MongoEngine {
  /**
   * Runs one call. Rejects with CaasError: UNAVAILABLE when the engine cannot serve it or does not answer within
   * `commandTimeoutMs` (whatever it writes may have happened, or happen later), OVERLOADED when `maxPendingCalls` are under
   * way, DRAINING after `close`, INTERNAL when the command is wrong.
   */
  run<T>(work: (db: Db) => Promise<T>): Promise<T>;
  /** Lets the calls made before finish, closes the connections. Never rejects, never hangs. Idempotent. */
  close(): Promise<void>;
}

/**
 * Connects to MongoDB and sees to the declared indexes.
 *
 * Writes are answered when a majority has them in its journal, so no failover and no power loss takes them back. Reads go
 * to the primary and see what a majority has: everything that was answered before they began, and nothing that a failover
 * could take back. (A primary that is cut off may serve such reads for some seconds until it steps down; its writes are
 * never answered.)
 *
 * Rejects UNAVAILABLE when there is no primary within `commandTimeoutMs`, FAILED_PRECONDITION when indexes differ.
 */
export const openMongo = async (options: MongoOptions, indexes: readonly CollectionIndexes[]): Promise<MongoEngine> => {
  const engine = new Engine(options);
  try {
    await engine.run((db) => ensureIndexes(db, indexes, options.indexes ?? 'create'));
    return engine;
  } catch (thrown) {
    await engine.close();
    throw thrown;
  }
};

class Engine implements MongoEngine {
  readonly #client: MongoClient;
  readonly #db: Db;
  readonly #commandTimeoutMs: number;
  readonly #maxPendingCalls: number;
  /** Calls the driver still works on, those given up included: they hold memory and a connection until it is done. */
  readonly #pending = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(options: MongoOptions) {
    const limitMs = options.commandTimeoutMs ?? defaultCommandTimeoutMs;
    this.#commandTimeoutMs = limitMs;
    this.#maxPendingCalls = options.maxPendingCalls ?? defaultMaxPendingCalls;
    this.#client = new MongoClient(options.url, {
      appName: 'caas',
      writeConcern: { w: 'majority', journal: true, wtimeoutMS: limitMs },
      readConcern: { level: 'majority' },
      readPreference: 'primary',
      maxPoolSize: options.maxConnections ?? defaultMaxConnections,
      // A call is given up after commandTimeoutMs; these free what it holds.
      serverSelectionTimeoutMS: limitMs,
      waitQueueTimeoutMS: limitMs,
      connectTimeoutMS: limitMs,
      socketTimeoutMS: limitMs,
      ignoreUndefined: true,
    });
    this.#db = this.#client.db(options.database ?? 'caas');
  }

  async run<T>(work: (db: Db) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new CaasError('DRAINING', 'the database is closing');
    if (this.#pending.size >= this.#maxPendingCalls) {
      const details = { limit: 'maxPendingCalls', value: String(this.#maxPendingCalls) };
      throw new CaasError('OVERLOADED', 'too many calls wait for the database', { details });
    }
    // What the driver throws at once is a fault of the call like any other.
    const working = (async () => work(this.#db))();
    this.#pending.add(working);
    const done = (): boolean => this.#pending.delete(working);
    working.then(done, done);
    try {
      return await this.#inTime(working);
    } catch (thrown) {
      throw engineError(thrown);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const tooLate = AbortSignal.timeout(closeTimeoutMs);
    await Promise.race([
      Promise.allSettled(this.#pending),
      new Promise((resolve) => tooLate.addEventListener('abort', resolve, { once: true })),
    ]);
    await this.#client.close().catch(() => undefined);
  }

  /** The driver has no limit for a call as a whole: selecting a server, waiting for a connection and retrying add up. */
  #inTime<T>(working: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const details = { limit: 'commandTimeoutMs', value: String(this.#commandTimeoutMs) };
        reject(new CaasError('UNAVAILABLE', 'the database did not answer in time', { details }));
      }, this.#commandTimeoutMs);
      working.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}
