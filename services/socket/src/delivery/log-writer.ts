import type { EventLog, LogPosition, NewRecord } from '@caas/event-log';
import { type CaasError, fail, type Logger, toCaasError } from '@caas/kit';

export interface LogWriterOptions {
  /** Records handed over and not yet answered; more are refused with OVERLOADED. */
  maxPending: number;
  /** Called as a turn goes to the log, to begin what can run beside it. */
  onFlush?: (turn: readonly PendingRecord[]) => void;
  /** Called once records of a turn are in the log and told, with all of the turn. */
  onAppended?: (records: readonly PendingRecord[], turn: readonly PendingRecord[]) => void;
  /** Called when the log has refused records. */
  onRefused?: () => void;
}

export interface PendingRecord {
  readonly record: NewRecord;
  /** Called when the log holds the record. What it throws is logged and concerns no other record. */
  accepted(position: LogPosition): void;
  /** Called when it may not hold it. The same. */
  refused(error: CaasError): void;
}

/**
 * Collects what one event-loop turn accepts and appends it to the log at once, but a conversation by itself: an append is
 * answered as a whole, and a partition that can't be written holds up no other. What is appended in one turn the log
 * writes together all the same.
 */
export class LogWriter {
  readonly #log: EventLog;
  readonly #logger: Logger;
  readonly #options: LogWriterOptions;
  #turn: PendingRecord[] = [];
  #pending = 0;
  #idle: (() => void)[] = [];

  constructor(log: EventLog, logger: Logger, options: LogWriterOptions) {
    this.#log = log;
    this.#logger = logger;
    this.#options = options;
  }

  get pending(): number {
    return this.#pending;
  }

  /** Throws OVERLOADED at the bound. */
  submit(entry: PendingRecord): void {
    if (this.#pending >= this.#options.maxPending) {
      fail('OVERLOADED', 'too many records wait for the log', {
        details: { limit: 'maxPendingSends', value: String(this.#options.maxPending), unit: 'records' },
      });
    }
    this.#pending++;
    if (this.#turn.push(entry) === 1) setImmediate(() => this.#flush());
  }

  /** Resolves with the position when the log holds the record. */
  append(record: NewRecord): Promise<LogPosition> {
    return new Promise((resolve, reject) => this.submit({ record, accepted: resolve, refused: reject }));
  }

  /** Resolves when nothing is pending. */
  idle(): Promise<void> {
    return this.#pending === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  #flush(): void {
    const turn = this.#turn;
    this.#turn = [];
    const { onFlush } = this.#options;
    this.#told(() => onFlush?.(turn));
    if (turn.length === 1) void this.#append(turn, turn);
    else for (const entries of together(turn)) void this.#append(entries, turn);
  }

  async #append(entries: readonly PendingRecord[], turn: readonly PendingRecord[]): Promise<void> {
    const { onAppended, onRefused } = this.#options;
    const outcome = await this.#log
      .append(entries.map((e) => e.record))
      .then((positions) => ({ positions }))
      .catch((thrown: unknown) => ({ error: toCaasError(thrown) }));
    if ('error' in outcome) {
      for (const entry of entries) this.#told(() => entry.refused(outcome.error));
      this.#told(() => onRefused?.());
    } else {
      for (const [i, entry] of entries.entries()) this.#told(() => entry.accepted(outcome.positions[i] as LogPosition));
      this.#told(() => onAppended?.(entries, turn));
    }
    this.#pending -= entries.length;
    if (this.#pending === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** One that fails must not have the rest of the turn told anything but what the log did. */
  #told(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#logger.error({ err: error }, 'what the log did could not be told');
    }
  }
}

/** A turn's records by topic and conversation: those that are in one partition for sure. */
const together = (turn: readonly PendingRecord[]): Iterable<PendingRecord[]> =>
  Map.groupBy(turn, ({ record }) => `${record.topic} ${record.key}`).values();
