import { type LogPosition, partitionName } from '@caas/event-log';
import { CaasError, type Clock, type Logger } from '@caas/kit';
import type { ConversationKey, MessageStore } from '@caas/message-store';
import { pause } from '../pause.ts';

/** How often the store is asked for commits whose notice did not come, ms. */
const pollMs = 250;
const maxKeysPerPoll = 500;
/** Records waited for; at it a wait ends at once, with the answer of one that took too long. */
const maxWaiting = 50_000;

interface Waiting extends ConversationKey {
  readonly partition: string;
  readonly offset: number;
  readonly deadlineMs: number;
  resolve(): void;
  reject(error: CaasError): void;
}

/**
 * Tells when a record of a conversation has been committed: by the head notice as a rule, by asking the store where
 * the notice was lost.
 */
export class CommitWatch {
  readonly #store: MessageStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #waiting = new Map<string, Set<Waiting>>();
  #count = 0;

  constructor(store: MessageStore, clock: Clock, logger: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Resolves when the conversation's document covers the record; rejects DEADLINE_EXCEEDED after `timeoutMs`. */
  committed(key: ConversationKey, topic: string, position: LogPosition, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#count >= maxWaiting) {
        reject(notCommittedYet());
        return;
      }
      this.#count++;
      const name = nameOf(key.tenantId, key.conversationId);
      const set = this.#waiting.get(name) ?? new Set();
      this.#waiting.set(name, set);
      set.add({
        tenantId: key.tenantId,
        conversationId: key.conversationId,
        partition: partitionName(topic, position.partition),
        offset: position.offset,
        deadlineMs: this.#clock.now() + timeoutMs,
        resolve,
        reject,
      });
    });
  }

  /** Offsets a conversation has applied, from a notice or a document. */
  applied(tenantId: string, conversationId: string, offsets: Readonly<Record<string, number>>): void {
    const name = nameOf(tenantId, conversationId);
    const set = this.#waiting.get(name);
    if (!set) return;
    for (const waiting of set) {
      if ((offsets[waiting.partition] ?? -1) < waiting.offset) continue;
      set.delete(waiting);
      this.#count--;
      waiting.resolve();
    }
    if (set.size === 0) this.#waiting.delete(name);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(pollMs, signal);
      await this.#poll();
    }
  }

  async #poll(): Promise<void> {
    if (this.#waiting.size === 0) return;
    const polled = [...this.#waiting].slice(0, maxKeysPerPoll);
    const keys = polled.flatMap(([, set]) => [...set].slice(0, 1));
    // To the end of the line: conversations that stand still must not keep others from being looked at.
    for (const [name, set] of polled) {
      this.#waiting.delete(name);
      this.#waiting.set(name, set);
    }
    try {
      const documents = await this.#store.conversations.getMany(keys);
      for (const doc of documents) if (doc) this.applied(doc.tenantId, doc.conversationId, doc.offsets);
    } catch (error) {
      this.#logger.debug({ err: error }, 'store not reachable while waiting for commits');
    }
    const now = this.#clock.now();
    for (const [name, set] of this.#waiting) {
      for (const waiting of set) {
        if (waiting.deadlineMs > now) continue;
        set.delete(waiting);
        this.#count--;
        waiting.reject(notCommittedYet());
      }
      if (set.size === 0) this.#waiting.delete(name);
    }
  }
}

const notCommittedYet = (): CaasError =>
  new CaasError('DEADLINE_EXCEEDED', 'accepted, but not yet committed; a retry is safe');

const nameOf = (tenantId: string, conversationId: string): string => `${tenantId}\0${conversationId}`;
