import { backoffMs } from './backoff.ts';
import { CaasClientError, limitError, toClientError } from './errors.ts';
import type { ClientLimits } from './limits.ts';
import type { Clock, OutboxCommand, OutboxRecord, OutboxStorage } from './ports.ts';
import type { Accepted } from './wire/frames.ts';

/** An accepted message, as its sender is told. */
export interface SentMessage extends Accepted {
  /** The sender's own id of it. */
  readonly clientMsgId: string;
  readonly conversationId: string;
}

interface Entry {
  readonly record: OutboxRecord;
  readonly bytes: number;
  readonly resolve: (sent: SentMessage) => void;
  readonly reject: (error: CaasClientError) => void;
  /** False until the storage has it. */
  stored: boolean;
  /** True once a node may have accepted it without the client seeing the answer. */
  retry: boolean;
}

/** The unsent messages of one conversation; the first one only is ever under way, so that order holds whatever is refused. */
interface Lane {
  readonly entries: Entry[];
  busy: boolean;
  attempt: number;
  timer: unknown;
}

export interface OutboxOptions {
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly storage: OutboxStorage | undefined;
  readonly isOnline: () => boolean;
  /** Sends one message; rejects with a CaasClientError. */
  readonly send: (record: OutboxRecord, retry: boolean) => Promise<Accepted>;
  readonly onAccepted: (record: OutboxRecord, accepted: Accepted) => void;
  /** The message has left the outbox unsent. */
  readonly onFailed: (record: OutboxRecord, error: CaasClientError) => void;
  /** The set of unsent messages of a conversation changed. */
  readonly onChange: (conversationId: string) => void;
}

const utf8 = new TextEncoder();
/** Refusals that say for certain that nothing was accepted. */
const surelyNotAccepted = new Set([
  'RATE_LIMITED',
  'OVERLOADED',
  'UNAVAILABLE',
  'DRAINING',
  'POLICY_UNAVAILABLE',
  'LIMIT_EXCEEDED',
]);

/** 128 random bits as 32 hex digits; no other message of this user in the conversation has it. */
export const newClientMsgId = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Messages on their way to acceptance: in order per conversation, again after each retryable refusal or lost answer. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #lanes = new Map<string, Lane>();
  #ordinal = 0;
  #count = 0;
  #bytes = 0;
  /** No lane sends before: a user's rate is one for all conversations. */
  #pausedUntilMs = 0;
  #closed: CaasClientError | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Unsent messages. */
  get size(): number {
    return this.#count;
  }

  /** Unsent messages of a conversation, in order. */
  of(conversationId: string): readonly OutboxRecord[] {
    return this.#lanes.get(conversationId)?.entries.map((entry) => entry.record) ?? [];
  }

  /** Takes up what an earlier run of the application left unsent. Rejects when the storage does. */
  async restore(): Promise<void> {
    const records = (await this.#options.storage?.load()) ?? [];
    for (const record of [...records].sort((a, b) => a.ordinal - b.ordinal)) {
      this.#ordinal = Math.max(this.#ordinal, record.ordinal);
      // Nobody waits for the promise of an earlier run; onAccepted and onFailed tell.
      this.#enqueue(record, true, true).catch(() => {});
    }
  }

  /**
   * Puts a message in the outbox; resolves when it is accepted. Rejects with LIMIT_EXCEEDED when the outbox is full, and
   * with the node's reason when the message is refused for good.
   */
  add(conversationId: string, clientMsgId: string, command: OutboxCommand): Promise<SentMessage> {
    const { limits, clock, storage } = this.#options;
    const ordinal = ++this.#ordinal;
    const record: OutboxRecord = { clientMsgId, conversationId, ordinal, createdAtMs: clock.now(), command };
    if (this.#closed) return Promise.reject(this.#closed);
    if (this.#count >= limits.maxOutboxMessages) {
      return Promise.reject(limitError('maxOutboxMessages', 'messages', limits.maxOutboxMessages));
    }
    if (this.#bytes + sizeOf(record) > limits.maxOutboxBytes) {
      return Promise.reject(limitError('maxOutboxBytes', 'bytes', limits.maxOutboxBytes));
    }
    const sent = this.#enqueue(record, false, storage === undefined);
    this.#store(record);
    return sent;
  }

  /** Sends what waits; called when a connection has been welcomed. */
  flush(): void {
    for (const [conversationId, lane] of this.#lanes) {
      if (lane.timer === undefined) lane.attempt = 0;
      this.#pump(conversationId, lane);
    }
  }

  /** Ends; the promises of unsent messages reject, their records stay in the storage. */
  close(error: CaasClientError): void {
    this.#closed = error;
    for (const lane of this.#lanes.values()) {
      this.#options.clock.clearTimeout(lane.timer);
      for (const entry of lane.entries.splice(0)) entry.reject(error);
    }
    this.#lanes.clear();
    this.#count = 0;
    this.#bytes = 0;
  }

  #enqueue(record: OutboxRecord, retry: boolean, stored: boolean): Promise<SentMessage> {
    const { conversationId } = record;
    let lane = this.#lanes.get(conversationId);
    if (!lane) {
      lane = { entries: [], busy: false, attempt: 0, timer: undefined };
      this.#lanes.set(conversationId, lane);
    }
    const { entries } = lane;
    const bytes = sizeOf(record);
    this.#count++;
    this.#bytes += bytes;
    const sent = new Promise<SentMessage>((resolve, reject) => {
      entries.push({ record, bytes, resolve, reject, stored, retry });
    });
    this.#options.onChange(conversationId);
    this.#pump(conversationId, lane);
    return sent;
  }

  #store(record: OutboxRecord): void {
    const { storage } = this.#options;
    if (!storage) return;
    const find = () => {
      const lane = this.#lanes.get(record.conversationId);
      const entry = lane?.entries.find((e) => e.record === record);
      return lane && entry ? { lane, entry } : undefined;
    };
    storage.put(record).then(
      () => {
        const found = find();
        if (!found) return;
        found.entry.stored = true;
        this.#pump(record.conversationId, found.lane);
      },
      (fault: unknown) => {
        const found = find();
        if (!found) return;
        const error = new CaasClientError('UNAVAILABLE', 'the outbox storage refused the message', {
          retryable: true,
          cause: fault,
        });
        this.#failed(found.lane, found.entry, error);
        this.#pump(record.conversationId, found.lane);
      },
    );
  }

  #pump(conversationId: string, lane: Lane): void {
    const { clock, limits, isOnline, send } = this.#options;
    const entry = lane.entries[0];
    if (!entry) {
      if (!lane.busy) this.#lanes.delete(conversationId);
      return;
    }
    if (lane.busy || lane.timer !== undefined || !entry.stored || !isOnline() || this.#closed) return;
    const pauseMs = this.#pausedUntilMs - clock.now();
    if (pauseMs > 0) {
      this.#later(conversationId, lane, pauseMs);
      return;
    }
    if (clock.now() - entry.record.createdAtMs > limits.maxSendAgeMs) {
      this.#failed(lane, entry, new CaasClientError('DEADLINE_EXCEEDED', `not sent within ${limits.maxSendAgeMs} ms`));
      this.#pump(conversationId, lane);
      return;
    }
    lane.busy = true;
    send(entry.record, entry.retry)
      .then(
        (accepted) => this.#accepted(lane, entry, accepted),
        (thrown: unknown) => this.#refused(conversationId, lane, entry, toClientError(thrown, 'send')),
      )
      .finally(() => {
        lane.busy = false;
        this.#pump(conversationId, lane);
      });
  }

  #accepted(lane: Lane, entry: Entry, accepted: Accepted): void {
    lane.attempt = 0;
    if (!this.#leave(lane, entry)) return;
    const { clientMsgId, conversationId } = entry.record;
    this.#options.onAccepted(entry.record, accepted);
    this.#options.onChange(conversationId);
    entry.resolve({ ...accepted, clientMsgId, conversationId });
  }

  #refused(conversationId: string, lane: Lane, entry: Entry, error: CaasClientError): void {
    if (this.#closed) return;
    if (!error.retryable) {
      this.#failed(lane, entry, error);
      return;
    }
    const { limits, clock, random, isOnline } = this.#options;
    if (!surelyNotAccepted.has(error.reason)) entry.retry = true;
    const bounds = { baseMs: limits.backoffBaseMs, capMs: limits.backoffCapMs };
    const waitMs = backoffMs(lane.attempt++, error.retryAfterMs, bounds, random);
    if (error.reason === 'RATE_LIMITED')
      this.#pausedUntilMs = Math.max(this.#pausedUntilMs, clock.now() + error.retryAfterMs);
    if (isOnline()) this.#later(conversationId, lane, waitMs);
  }

  #later(conversationId: string, lane: Lane, ms: number): void {
    lane.timer = this.#options.clock.setTimeout(() => {
      lane.timer = undefined;
      this.#pump(conversationId, lane);
    }, ms);
  }

  #failed(lane: Lane, entry: Entry, error: CaasClientError): void {
    if (!this.#leave(lane, entry)) return;
    this.#options.onFailed(entry.record, error);
    this.#options.onChange(entry.record.conversationId);
    entry.reject(error);
  }

  /** False when the outbox was closed meanwhile. */
  #leave(lane: Lane, entry: Entry): boolean {
    const index = lane.entries.indexOf(entry);
    if (index < 0) return false;
    lane.entries.splice(index, 1);
    this.#count--;
    this.#bytes -= entry.bytes;
    // A record that can't be removed is sent again by a later run, which is safe.
    this.#options.storage?.remove(entry.record.clientMsgId).catch(() => {});
    return true;
  }
}

const sizeOf = (record: OutboxRecord): number => utf8.encode(JSON.stringify(record)).length;
