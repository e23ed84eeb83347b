import { backoffMs } from './backoff.ts';
import { toClientError } from './errors.ts';
import { KeyedTimers } from './keyed-timers.ts';
import type { ClientLimits } from './limits.ts';
import type { Clock } from './ports.ts';
import type { ConversationEntry } from './wire/resources.ts';

export interface EntryReaderOptions {
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly isOnline: () => boolean;
  readonly read: (conversationId: string) => Promise<ConversationEntry>;
  /** Whether the entry is still needed; asked right before and after it is read. */
  readonly isNeeded: (conversationId: string) => boolean;
  readonly onEntry: (entry: ConversationEntry) => void;
}

/** Name of the timer that waits for the rate. */
const rateTimer = '';

/**
 * Asks the node for single entries of the list: of conversations just joined, and where the unread count is in doubt.
 * One at a time a conversation, and few enough to leave the user's frames to the application. What fails is tried again
 * while it is needed; offline, nothing is: the next listing tells all.
 */
export class EntryReader {
  readonly #options: EntryReaderOptions;
  readonly #timers: KeyedTimers;
  /** Due, first come first served. */
  readonly #due = new Set<string>();
  readonly #reading = new Set<string>();
  /** Reads in a row that did not bring what was needed. */
  readonly #attempts = new Map<string, number>();
  /** Reads the rate allows now, as of a time in milliseconds. */
  #allowed: number;
  #allowedAtMs: number;
  #held = false;

  constructor(options: EntryReaderOptions) {
    this.#options = options;
    this.#timers = new KeyedTimers(options.clock);
    this.#allowed = options.limits.maxEntryReadsAtOnce;
    this.#allowedAtMs = options.clock.now();
  }

  /** The entry is needed, unless that settles itself within a wait in milliseconds. */
  want(conversationId: string, waitMs: number): void {
    if (this.#reading.has(conversationId) || this.#due.has(conversationId) || this.#attempts.has(conversationId))
      return;
    this.#later(conversationId, waitMs);
  }

  /** A listing is under way: it may bring what is wanted. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#pump();
  }

  stop(): void {
    this.#held = true;
    this.#due.clear();
    this.#timers.stop();
  }

  #later(conversationId: string, waitMs: number): void {
    this.#timers.start(conversationId, waitMs, () => {
      this.#due.add(conversationId);
      this.#pump();
    });
  }

  #pump(): void {
    for (const conversationId of this.#due) {
      if (this.#held) return;
      if (!this.#options.isOnline() || !this.#options.isNeeded(conversationId)) {
        this.#due.delete(conversationId);
        this.#attempts.delete(conversationId);
        continue;
      }
      const waitMs = this.#waitOfRateMs();
      if (waitMs > 0) {
        this.#timers.start(rateTimer, waitMs, () => this.#pump());
        return;
      }
      this.#allowed--;
      this.#due.delete(conversationId);
      void this.#read(conversationId);
    }
  }

  async #read(conversationId: string): Promise<void> {
    const { limits, random, read, isNeeded, isOnline, onEntry } = this.#options;
    this.#reading.add(conversationId);
    let floorMs = 0;
    let forGood = false;
    try {
      onEntry(await read(conversationId));
    } catch (thrown) {
      const error = toClientError(thrown, 'getConversation');
      floorMs = error.retryAfterMs;
      forGood = !error.retryable;
    }
    this.#reading.delete(conversationId);
    const attempt = this.#attempts.get(conversationId) ?? 0;
    this.#attempts.delete(conversationId);
    if (forGood || !isOnline() || !isNeeded(conversationId)) return;
    this.#attempts.set(conversationId, attempt + 1);
    const bounds = { baseMs: limits.backoffBaseMs, capMs: limits.backoffCapMs };
    this.#later(conversationId, backoffMs(attempt, Math.max(floorMs, limits.unreadGraceMs), bounds, random));
  }

  #waitOfRateMs(): number {
    const { clock, limits } = this.#options;
    const now = clock.now();
    const gained = Math.floor((now - this.#allowedAtMs) / limits.entryReadIntervalMs);
    this.#allowed = Math.min(limits.maxEntryReadsAtOnce, this.#allowed + gained);
    this.#allowedAtMs += gained * limits.entryReadIntervalMs;
    return this.#allowed > 0 ? 0 : this.#allowedAtMs + limits.entryReadIntervalMs - now;
  }
}
