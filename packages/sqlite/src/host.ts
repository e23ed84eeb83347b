import { Worker } from 'node:worker_threads';
import { CaasError } from '@caas/kit';
import { faultToError } from './faults.ts';
import type { Handlers } from './handler.ts';
import type { FromThread, ThreadOptions, ToThread } from './messages.ts';

/** Calls that may wait for one thread at a time. */
export const defaultMaxPendingCalls = 4096;
/** Longest wait for the answer to a call, in milliseconds. */
export const defaultCommandTimeoutMs = 10_000;
/** How long SQLite waits for another connection's lock, in milliseconds. */
export const defaultBusyTimeoutMs = 5_000;
/** How long `close` waits for the thread to finish its calls and checkpoint, in milliseconds. */
export const closeTimeoutMs = 10_000;
/** Least time between two starts of a thread that died, in milliseconds. */
export const restartDelayMs = 500;

export interface SqliteHostOptions {
  /** Path of the database; its folder is made. `:memory:` is private to the thread. */
  file: string;
  /** The handler module: `new URL('./sqlite-thing-worker.ts', import.meta.url)`. */
  module: URL;
  /** Given to the handler module's `open`; structured-cloneable. */
  options?: unknown;
  commandTimeoutMs?: number;
  busyTimeoutMs?: number;
  maxPendingCalls?: number;
  /**
   * Takes the file for this thread alone: opening it a second time (another process too) is UNAVAILABLE. Faster, and right
   * for files with one owner. Default false.
   */
  exclusive?: boolean;
  /**
   * Methods that change something a caller must not believe undone: without an answer they reject DEADLINE_EXCEEDED, the
   * others UNAVAILABLE. Default none.
   */
  writes?: readonly string[];
}

export interface SqliteHost<H extends Handlers> {
  /**
   * Runs one method in the thread. Calls run one after the other in the order made. Rejects with CaasError: OVERLOADED
   * when `maxPendingCalls` wait; UNAVAILABLE when the engine can't do it (disk full) and nothing was done; DRAINING after
   * `close`; INTERNAL when the handler is wrong. When there is no telling (the thread died or did not answer in time, I/O
   * failed in the middle), DEADLINE_EXCEEDED for one of `writes` and UNAVAILABLE for any other.
   */
  call<M extends keyof H & string>(
    method: M,
    args: Parameters<H[M]>[0],
    transfer?: ArrayBuffer[],
  ): Promise<ReturnType<H[M]>>;
  /** Lets the calls made before finish, checkpoints, ends the thread. Never rejects, never hangs. Idempotent. */
  close(): Promise<void>;
}

interface PendingCall {
  method: string;
  resolve(value: unknown): void;
  reject(error: CaasError): void;
  /** On the clock of `performance.now()`. */
  deadlineMs: number;
}

/**
 * Opens a SQLite database in a thread of its own, because an fsync may hold an event loop far longer than 5 ms. WAL,
 * synchronous=FULL: what a call committed survives power loss once the call resolves.
 *
 * An adapter has two halves. The worker half is a module with the SQL:
 *
 *     // sqlite-thing-worker.ts: imports only node:*, '@caas/sqlite/handler', relative files and types
 *     export const migrations = ['CREATE TABLE thing (id TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT'];
 *     export const open = (db: DatabaseSync) => {
 *       const put = db.prepare('INSERT INTO thing VALUES (?, ?)');
 *       return { putAll: (rows: [string, number][]) => inTransaction(db, () => { for (const r of rows) put.run(...r); }) };
 *     };
 *
 * The main half calls it, typed by it:
 *
 *     const host = await openSqliteHost<ReturnType<typeof import('./sqlite-thing-worker.ts').open>>({
 *       file, module: new URL('./sqlite-thing-worker.ts', import.meta.url) });
 *     await host.call('putAll', [['a', 1]]);
 *
 * A thread that dies (out of memory) rejects what waits and is started anew by a later call, so handler modules must
 * build their state from the database in `open`. Group what one event-loop turn brings into one call: a call costs about
 * 20 µs and a commit one fsync. Cloning a Uint8Array clones its whole ArrayBuffer: copy slices of pooled Buffers first.
 *
 * Rejects UNAVAILABLE or INTERNAL when the database cannot be opened or migrated.
 */
export const openSqliteHost = async <H extends Handlers>(options: SqliteHostOptions): Promise<SqliteHost<H>> => {
  const host = new ThreadHost(options);
  await host.start();
  return host as unknown as SqliteHost<H>;
};

class ThreadHost {
  readonly #options: SqliteHostOptions;
  readonly #maxPendingCalls: number;
  readonly #commandTimeoutMs: number;
  readonly #writes: ReadonlySet<string>;
  /** In order of calls, and every call has the same timeout: the first entry is the first to expire. */
  readonly #pending = new Map<number, PendingCall>();
  #nextId = 1;
  /** Calls the thread still has to answer, expired ones included: they hold memory until it does. */
  #unanswered = 0;
  #worker: Worker | undefined;
  #startedAtMs = 0;
  #watch: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: SqliteHostOptions) {
    this.#options = options;
    this.#maxPendingCalls = options.maxPendingCalls ?? defaultMaxPendingCalls;
    this.#commandTimeoutMs = options.commandTimeoutMs ?? defaultCommandTimeoutMs;
    this.#writes = new Set(options.writes);
  }

  /** Starts the thread; resolves when its database is open. Calls may be made before that. */
  start(): Promise<void> {
    const { file, module, options, busyTimeoutMs = defaultBusyTimeoutMs, exclusive = false } = this.#options;
    const workerData: ThreadOptions = { file, module: module.href, options, busyTimeoutMs, exclusive };
    this.#startedAtMs = performance.now();
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData,
      // Not the parent's: flags of a test runner have no business in the thread.
      execArgv: ['--disable-warning=ExperimentalWarning'],
      name: 'sqlite',
    });
    this.#worker = worker;
    return new Promise<void>((resolve, reject) => {
      let cause: CaasError | undefined;
      worker.on('message', (message: FromThread) => {
        if (message.kind === 'ready') resolve();
        else if (message.kind === 'broken') cause = faultToError(message.fault);
        else this.#settle(message);
      });
      worker.on('error', (error) => {
        cause ??= new CaasError('UNAVAILABLE', 'the database thread failed', { cause: error });
      });
      worker.on('exit', () => {
        const error = cause ?? new CaasError('UNAVAILABLE', 'the database thread ended');
        if (this.#worker === worker) this.#dropThread(error);
        reject(error);
      });
    });
  }

  call(method: string, args: unknown, transfer: ArrayBuffer[] = []): Promise<unknown> {
    if (this.#closing !== undefined) return Promise.reject(new CaasError('DRAINING', 'the database is closing'));
    if (this.#unanswered >= this.#maxPendingCalls) {
      const details = { limit: 'maxPendingCalls', value: String(this.#maxPendingCalls) };
      return Promise.reject(new CaasError('OVERLOADED', 'too many calls wait for the database', { details }));
    }
    const worker = this.#worker ?? this.#restarted();
    if (!worker) return Promise.reject(new CaasError('UNAVAILABLE', 'the database thread is being restarted'));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const message: ToThread = { kind: 'call', id, method, args };
      worker.postMessage(message, transfer);
      this.#unanswered += 1;
      this.#pending.set(id, { method, resolve, reject, deadlineMs: performance.now() + this.#commandTimeoutMs });
      this.#watch ??= setTimeout(this.#expire, this.#commandTimeoutMs).unref();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.postMessage({ kind: 'close' } satisfies ToThread);
    const tooLate = setTimeout(() => void worker.terminate(), closeTimeoutMs);
    await ended;
    clearTimeout(tooLate);
  }

  #restarted(): Worker | undefined {
    if (performance.now() - this.#startedAtMs < restartDelayMs) return undefined;
    // Its failure reaches the calls through #dropThread.
    this.start().catch(() => undefined);
    return this.#worker;
  }

  #settle(message: Extract<FromThread, { id: number }>): void {
    this.#unanswered -= 1;
    const call = this.#pending.get(message.id);
    // A late answer to an expired call finds nobody.
    if (!call) return;
    this.#pending.delete(message.id);
    if (message.kind === 'result') call.resolve(message.value);
    else {
      const error = faultToError(message.fault);
      call.reject(error.details['engine'] === 'SQLITE_IOERR' ? this.#unknown(call, error) : error);
    }
  }

  /** What a call without an answer rejects with: the error, or for a write that nobody knows whether it took place. */
  #unknown({ method }: PendingCall, error: CaasError): CaasError {
    if (!this.#writes.has(method)) return error;
    const { details } = error;
    return new CaasError('DEADLINE_EXCEEDED', 'it is not known whether this was written', { details, cause: error });
  }

  #dropThread(error: CaasError): void {
    this.#worker = undefined;
    this.#unanswered = 0;
    clearTimeout(this.#watch);
    this.#watch = undefined;
    const calls = [...this.#pending.values()];
    this.#pending.clear();
    for (const call of calls) call.reject(this.#unknown(call, error));
  }

  /** One timer for all calls: it fires when the oldest may have expired, not once a call. */
  readonly #expire = (): void => {
    this.#watch = undefined;
    const nowMs = performance.now();
    for (const [id, call] of this.#pending) {
      if (call.deadlineMs > nowMs) {
        this.#watch = setTimeout(this.#expire, call.deadlineMs - nowMs + 1).unref();
        return;
      }
      this.#pending.delete(id);
      const details = { limit: 'commandTimeoutMs' };
      call.reject(
        this.#unknown(call, new CaasError('UNAVAILABLE', 'the database did not answer in time', { details })),
      );
    }
  };
}
