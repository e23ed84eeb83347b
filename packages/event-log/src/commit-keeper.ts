import type { SqliteHost } from '@caas/sqlite';
import type { CommitRow, LogThread } from './sqlite-event-log-worker.ts';

/** Longest time a committed offset is held in memory only, in milliseconds. */
const commitDelayMs = 250;
/** Records committed in memory only, at most. */
const commitEveryRecords = 20_000;

/**
 * Writes committed offsets lazily: delivery is at least once anyway, and an fsync per batch would compete with the
 * appends. What a crash loses of it is delivered again.
 */
export class CommitKeeper {
  readonly #host: SqliteHost<LogThread>;
  readonly #report: (fault: unknown) => void;
  #rows = new Map<string, CommitRow>();
  #records = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(host: SqliteHost<LogThread>, report: (fault: unknown) => void) {
    this.#host = host;
    this.#report = report;
  }

  commit(row: CommitRow, records: number): void {
    this.#rows.set(`${row.slot} ${row.group}`, row);
    this.#records += records;
    if (this.#records >= commitEveryRecords) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), commitDelayMs);
  }

  /** Resolves after what was committed is durable, or could not be made so. */
  async close(): Promise<void> {
    this.#start();
    await this.#writing;
    clearTimeout(this.#timer);
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#records = 0;
    this.#writing = this.#writing.then(() => this.#write());
  }

  async #write(): Promise<void> {
    const rows = this.#rows;
    if (rows.size === 0) return;
    this.#rows = new Map();
    try {
      await this.#host.call('commit', [...rows.values()]);
    } catch (thrown) {
      this.#report(thrown);
      // Newer ones of the meantime win.
      this.#rows = new Map([...rows, ...this.#rows]);
      this.#timer ??= setTimeout(() => this.#start(), commitDelayMs);
    }
  }
}
