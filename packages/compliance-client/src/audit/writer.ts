import { recordOf } from '@caas/event-log/events';
import type { EventLog, NewRecord } from '@caas/event-log/port';
import { Topic } from '@caas/event-log/topics';
import { CaasError, type Clock, type Logger, retryWaitMs, systemClock, TokenBucket, toCaasError } from '@caas/kit';
import { encodeMessage } from '@caas/kit/encode';
import { AuditEvent } from '@caas/proto/caas/events/v1/audit_event';
import { type AuditAct, eventOf, installationTenant } from './act.ts';
import type { FirstAction, NotedAction } from './actions.ts';
import { Losses } from './losses.ts';
import { Spool } from './spool.ts';

/** Acts that may wait to be written at a time. */
export const maxWaitingActs = 10_000;
/** Acts written at once. */
const maxBatch = 500;
/** How long the log may take for a batch until it counts as away, in milliseconds. */
export const slowLogMs = 1_000;
/** Refusals of strangers that are noted one by one, a second and at once; of more only the number is told. */
export const strangers = { perSecond: 50, burst: 500 };
/** Waits before the log is tried again, in milliseconds. */
const backoff = { baseMs: 200, capMs: 5_000 };
/** Default of the bytes that may wait on disk for the log. */
export const defaultSpoolBytes = 64 * 1024 * 1024;

export interface AuditWriterOptions {
  log: Pick<EventLog, 'append'>;
  /** Name of the service, or of its instance where several share the folder. */
  service: string;
  /** Folder of what waits for the log. */
  folder: string;
  maxSpoolBytes?: number;
  logger: Logger;
  clock?: Clock;
}

/** Where a service tells the audit log what it does. */
export interface AuditWriter {
  /**
   * Notes what has been done, or was refused. Never throws and never waits. What is told is in the log, or on disk for it,
   * some milliseconds later; a kill -9 before that loses it. Past `maxWaitingActs`, when log and disk take nothing, and of
   * refusals of the installation's tenant past `strangers`, it is only counted, and an entry `audit.lost` says so later.
   */
  record(act: AuditAct<NotedAction>): void;
  /**
   * Audits an act and then does it: when `effect` begins, the entry survives whatever happens. Rejects UNAVAILABLE, and
   * nothing is done, when log and disk take nothing. When `effect` rejects, a second entry says that the act failed.
   */
  first<T>(act: AuditAct<FirstAction>, effect: () => Promise<T>): Promise<T>;
  /** What was told and is in neither log nor disk, and what waits on disk. */
  stats(): { lost: number; spooledBytes: number };
  /** Writes what waits, to disk where the log does not take it. Idempotent. */
  close(): Promise<void>;
}

interface Waiting {
  record: NewRecord;
  written: () => void;
  lost: (fault: CaasError) => void;
}

const nothing = (): void => undefined;

const messageType = 'AuditEvent';
const recordFor = ({ tenantId }: AuditEvent, value: Uint8Array, traceparent: string): NewRecord =>
  recordOf(Topic.auditLog, messageType, tenantId, tenantId, value, traceparent);

/** The one way to the audit log; see AuditWriter. Opens nothing until the log is away. */
export class BufferedAuditWriter implements AuditWriter {
  readonly #options: AuditWriterOptions;
  readonly #clock: Clock;
  readonly #spool: Spool;
  readonly #losses = new Losses();
  readonly #strangers = new TokenBucket(strangers.perSecond, strangers.burst);
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  /** The log took nothing last time: what comes goes to disk until it does again. */
  #away = false;
  /** Neither log nor disk took anything last time; said once. */
  #losing = false;
  readonly #closing = new AbortController();

  constructor(options: AuditWriterOptions) {
    const { folder, service, maxSpoolBytes = defaultSpoolBytes, logger, clock = systemClock } = options;
    this.#options = options;
    this.#clock = clock;
    this.#spool = new Spool({
      folder,
      name: service,
      maxBytes: maxSpoolBytes,
      onDamaged: (file, lostBytes) =>
        logger.error({ file, lostBytes }, 'audit spool damaged; what could be read goes on'),
    });
  }

  /** Takes over what an earlier process left on disk. */
  async start(): Promise<void> {
    await this.#spool.adopt();
    if (!this.#spool.isEmpty) this.#drain();
  }

  record(act: AuditAct<NotedAction>): void {
    // Who is nobody yet must not fill disks.
    const isStranger = act.tenantId === installationTenant && act.reason !== undefined;
    if (isStranger && this.#strangers.take(this.#clock.now()) > 0) this.#losses.add(installationTenant, 1);
    else this.#note(act);
  }

  async first<T>(act: AuditAct<FirstAction>, effect: () => Promise<T>): Promise<T> {
    await new Promise<void>((resolve, reject) => this.#take(act, resolve, reject));
    try {
      return await effect();
    } catch (thrown) {
      this.#note({ ...act, reason: toCaasError(thrown).reason, failed: true });
      throw thrown;
    }
  }

  stats(): { lost: number; spooledBytes: number } {
    return { lost: this.#losses.total, spooledBytes: this.#spool.bytes };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#writing;
    await this.#draining;
    await this.#spool.close();
  }

  #note(act: AuditAct): void {
    this.#take(act, nothing, () => this.#losses.add(act.tenantId, 1));
  }

  #take(act: AuditAct, written: () => void, lost: (fault: CaasError) => void): void {
    let waiting: Waiting;
    try {
      const event = eventOf(act, this.#options.service, this.#clock);
      const record = recordFor(event, encodeMessage(AuditEvent, event), act.traceparent ?? '');
      waiting = { record, written, lost };
    } catch (err) {
      this.#options.logger.error({ err, action: act.action }, 'an act could not be made an audit event');
      lost(toCaasError(err));
      return;
    }
    if (this.#closing.signal.aborted || this.#waiting.length >= maxWaitingActs) {
      const details = { limit: 'maxWaitingActs', value: String(maxWaitingActs) };
      this.#lose([waiting], new CaasError('OVERLOADED', 'too many acts wait for the audit log', { details }));
      return;
    }
    this.#waiting.push(waiting);
    this.#writing ??= this.#write();
  }

  /** While one batch is being written, the next one gathers. */
  async #write(): Promise<void> {
    // A turn, so that what the turn brings goes together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#writeBatch(this.#waiting.splice(0, maxBatch));
    this.#writing = undefined;
  }

  async #writeBatch(batch: readonly Waiting[]): Promise<void> {
    // With nothing on disk the log is asked anew: the disk may be what takes nothing.
    const wait = this.#away && !this.#spool.isEmpty;
    if (wait || !(await this.#logged(batch.map(({ record }) => record)))) {
      try {
        await this.#spool.append(batch.map(({ record }) => record.value));
      } catch (thrown) {
        this.#lose(batch, toCaasError(thrown));
        return;
      } finally {
        this.#drain();
      }
    } else this.#tellLosses();
    this.#losing = false;
    for (const { written } of batch) written();
  }

  /** Whether the log has the records; what it does not answer in time counts as not, and may be there twice. */
  async #logged(records: readonly NewRecord[]): Promise<boolean> {
    let late: NodeJS.Timeout | undefined;
    try {
      const slow = new Promise<never>((_, reject) => {
        late = setTimeout(() => reject(new CaasError('UNAVAILABLE', 'the log does not answer')), slowLogMs);
      });
      await Promise.race([this.#options.log.append(records), slow]);
      this.#setAway(false);
      return true;
    } catch (err) {
      this.#setAway(true, err);
      return false;
    } finally {
      clearTimeout(late);
    }
  }

  #setAway(away: boolean, err?: unknown): void {
    if (away === this.#away) return;
    this.#away = away;
    if (away) this.#options.logger.warn({ err }, 'the log takes no audit events; they wait on disk');
    else this.#options.logger.info('the log takes audit events again');
  }

  #lose(batch: readonly Waiting[], fault: CaasError): void {
    if (!this.#losing)
      this.#options.logger.error({ err: fault }, 'audit events can’t be kept: acts are refused or only counted');
    this.#losing = true;
    const refusal = new CaasError('UNAVAILABLE', 'the act can’t be audited now, and was not done', {
      details: { subject: 'audit log', ...fault.details },
      cause: fault,
    });
    for (const { lost } of batch) lost(refusal);
  }

  /** Says how much is missing, once something can be said again. */
  #tellLosses(): void {
    for (const [tenantId, count] of this.#losses.take()) {
      const { service } = this.#options;
      const act: AuditAct<'audit.lost'> = {
        tenantId,
        action: 'audit.lost',
        actor: { kind: 'service', id: service },
        subjectId: service,
        details: { count: String(count) },
      };
      this.#take(act, nothing, () => this.#losses.add(tenantId, count));
    }
  }

  #drain(): void {
    if (this.#draining || this.#closing.signal.aborted) return;
    this.#draining = this.#drainAll()
      .catch(async (err: unknown) => {
        this.#options.logger.error({ err }, 'audit spool can’t be read');
        await this.#pause(backoff.capMs);
      })
      .finally(() => {
        this.#draining = undefined;
        // What came to disk while the last look at it was under way.
        if (!this.#spool.isEmpty) this.#drain();
      });
  }

  /** Brings what is on disk to the log, oldest first, for as long as there is something. */
  async #drainAll(): Promise<void> {
    let attempt = 0;
    // What has just refused is not asked again at once.
    if (this.#away && !(await this.#pause(retryWaitMs(++attempt, undefined, backoff)))) return;
    while (!this.#closing.signal.aborted) {
      const segment = await this.#spool.oldest();
      if (!segment) return;
      const left = [...segment.records];
      while (left.length > 0) {
        const records = left.slice(0, maxBatch).map((value) => recordFor(AuditEvent.decode(value), value, ''));
        if (await this.#logged(records)) {
          left.splice(0, maxBatch);
          attempt = 0;
        } else if (!(await this.#pause(retryWaitMs(++attempt, undefined, backoff)))) return;
      }
      await this.#spool.removeOldest();
    }
  }

  /** False when the writer closes meanwhile. */
  #pause(ms: number): Promise<boolean> {
    const { signal } = this.#closing;
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve(!signal.aborted);
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end);
      if (signal.aborted) end();
    });
  }
}

/** A writer, with what an earlier process left on disk on its way to the log. */
export const openAuditWriter = async (options: AuditWriterOptions): Promise<AuditWriter> => {
  const writer = new BufferedAuditWriter(options);
  await writer.start();
  return writer;
};
