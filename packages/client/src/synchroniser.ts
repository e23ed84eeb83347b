import { backoffMs } from './backoff.ts';
import type { CaasClientError } from './errors.ts';
import { toClientError } from './errors.ts';
import type { ClientLimits } from './limits.ts';
import type { Clock } from './ports.ts';
import type { ReplyTo, Requests } from './wire/commands.ts';
import type { ConversationDelta } from './wire/frames.ts';
import type { ConversationEntry } from './wire/resources.ts';

/** Limits of the contract: conversations a sync, entries a page. */
const maxSyncConversations = 100;
const listPageSize = 200;
/** Conversations without a cursor in one sync: they share the 500 messages it gives. */
const maxFreshConversations = 5;

/** Where this client stands in a conversation. */
export interface Standing {
  /** Cursor of the last delta; empty: none yet. */
  readonly cursor: string;
  /** Revision reached since by following heads. */
  readonly rev: number;
}

export interface SynchroniserOptions {
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly isOnline: () => boolean;
  readonly sync: (request: Requests['sync']) => Promise<ReplyTo<'sync'>>;
  readonly list: (request: Requests['listConversations']) => Promise<ReplyTo<'listConversations'>>;
  /** Where an open conversation stands; undefined when it is not open (any more). */
  readonly standingOf: (conversationId: string) => Standing | undefined;
  readonly onEntry: (entry: ConversationEntry) => void;
  /** The whole list was read; these, known when it was begun, are not in it any more. */
  readonly onListed: (gone: readonly string[]) => void;
  /** Applies a delta; what needs more calls `want` again. */
  readonly onDelta: (delta: ConversationDelta, fromStart: boolean) => void;
}

/** Asks for deltas of conversations that need them, one request at a time, and lists conversations after a connect. */
export class Synchroniser {
  /** Deltas asked for. */
  deltas = 0;
  readonly #options: SynchroniserOptions;
  readonly #wanted = new Set<string>();
  /** Rounds in a row that did not bring a conversation to its head. */
  readonly #rounds = new Map<string, number>();
  readonly #timers = new Set<unknown>();
  #running = false;
  #generation = 0;

  constructor(options: SynchroniserOptions) {
    this.#options = options;
  }

  /** The conversation needs a delta. */
  want(conversationId: string): void {
    this.#wanted.add(conversationId);
    this.#start();
  }

  forget(conversationId: string): void {
    this.#wanted.delete(conversationId);
    this.#rounds.delete(conversationId);
  }

  /** A connection was welcomed, or events were dropped: list all conversations, and sync those that want it. */
  resume(known: ReadonlySet<string>): void {
    this.#start();
    const generation = ++this.#generation;
    this.#list(generation, known).catch(() => {});
  }

  stop(): void {
    this.#generation++;
    this.#wanted.clear();
    for (const timer of this.#timers) this.#options.clock.clearTimeout(timer);
    this.#timers.clear();
  }

  /** Reads the list page by page; a later `resume` replaces it. */
  async #list(generation: number, known: ReadonlySet<string>): Promise<void> {
    const ids = new Set<string>();
    let after = '';
    for (let attempt = 0; generation === this.#generation && this.#options.isOnline(); ) {
      let page: ReplyTo<'listConversations'>;
      try {
        page = await this.#options.list(after === '' ? { limit: listPageSize } : { after, limit: listPageSize });
      } catch (thrown) {
        await this.#pause(attempt++, toClientError(thrown, 'list'));
        continue;
      }
      if (generation !== this.#generation) return;
      for (const entry of page.entries) {
        ids.add(entry.conversation.conversationId);
        this.#options.onEntry(entry);
      }
      if (page.next === '') {
        this.#options.onListed([...known].filter((id) => !ids.has(id)));
        return;
      }
      after = page.next;
      attempt = 0;
    }
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    // Begins after the current turn, so that conversations wanted together are asked for together.
    queueMicrotask(() => {
      void this.#run().finally(() => {
        this.#running = false;
        if (this.#wanted.size > 0 && this.#options.isOnline()) this.#start();
      });
    });
  }

  async #run(): Promise<void> {
    for (let attempt = 0; this.#wanted.size > 0 && this.#options.isOnline(); ) {
      const asked = this.#batch();
      if (asked.size === 0) continue;
      const conversations = [...asked].map(([conversationId, { cursor, rev }]) =>
        cursor === '' ? { conversationId } : { conversationId, cursor, rev },
      );
      try {
        const { deltas } = await this.#options.sync({ conversations });
        this.deltas += deltas.length;
        attempt = deltas.length > 0 ? 0 : attempt + 1;
        for (const delta of deltas) this.#take(delta, asked);
        for (const conversationId of asked.keys()) this.#wanted.add(conversationId);
        if (deltas.length === 0) await this.#pause(attempt, undefined);
      } catch (thrown) {
        for (const conversationId of asked.keys()) this.#wanted.add(conversationId);
        await this.#pause(attempt++, toClientError(thrown, 'sync'));
      }
    }
  }

  #batch(): Map<string, Standing> {
    const asked = new Map<string, Standing>();
    let fresh = 0;
    for (const conversationId of this.#wanted) {
      if (asked.size === maxSyncConversations) break;
      const standing = this.#options.standingOf(conversationId);
      if (standing?.cursor === '' && ++fresh > maxFreshConversations) continue;
      this.#wanted.delete(conversationId);
      if (standing !== undefined) asked.set(conversationId, standing);
    }
    return asked;
  }

  #take(delta: ConversationDelta, asked: Map<string, Standing>): void {
    const { conversationId } = delta;
    const standing = asked.get(conversationId);
    if (standing === undefined) return;
    asked.delete(conversationId);
    this.#options.onDelta(delta, standing.cursor === '');
    if (!this.#wanted.has(conversationId)) {
      this.#rounds.delete(conversationId);
      return;
    }
    if (delta.more) return;
    // Not there yet and nothing more to read: the first time the head may have moved on; then it takes time.
    const rounds = this.#rounds.get(conversationId) ?? 0;
    this.#rounds.set(conversationId, rounds + 1);
    if (rounds === 0) return;
    this.#wanted.delete(conversationId);
    const timer = this.#options.clock.setTimeout(
      () => {
        this.#timers.delete(timer);
        this.want(conversationId);
      },
      this.#wait(rounds, 0),
    );
    this.#timers.add(timer);
  }

  #wait(attempt: number, floorMs: number): number {
    const { limits, random } = this.#options;
    return backoffMs(attempt, floorMs, { baseMs: limits.backoffBaseMs, capMs: limits.backoffCapMs }, random);
  }

  /** Waits before the next attempt; a refusal for good is asked again no sooner than the greatest wait. */
  #pause(attempt: number, error: CaasClientError | undefined): Promise<void> {
    const { limits, clock } = this.#options;
    const floorMs = error && !error.retryable ? limits.backoffCapMs : (error?.retryAfterMs ?? 0);
    return new Promise((resolve) => {
      const timer = clock.setTimeout(
        () => {
          this.#timers.delete(timer);
          resolve();
        },
        this.#wait(attempt, floorMs),
      );
      this.#timers.add(timer);
    });
  }
}
