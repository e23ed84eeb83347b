import type { LogRecord } from '@caas/event-log';
import type { ConversationDocument } from '@caas/proto/caas/events/v1/documents';
import type { EventRecord } from './apply/model.ts';

/**
 * Revisions left out in each conversation that a rebuilt store gets missed records of, so that none is given twice: the store
 * that is gone may have given more of them than the records take now, and clients hold cursors made of them.
 */
export const rebuildRevGap = 2 ** 30;

/** One conversation of a batch and its events, in order. */
export interface Group {
  tenantId: string;
  conversationId: string;
  name: string;
  records: EventRecord[];
  /** The same records as the log gave them. */
  sources: LogRecord[];
}

/** Name of a conversation in maps of this process; ids have no spaces. */
export const conversationName = (tenantId: string, conversationId: string): string => `${tenantId} ${conversationId}`;

/**
 * What a worker knows while it owns a shard. Belongs to the batches of one assignment: a batch that goes on after the shard
 * was taken away keeps its own state, with the epoch that fences it off.
 */
export class ShardState {
  readonly shard: number;
  epoch = 0;
  /** True from the first write of an attempt until its commit: what is past the heads then needs a new epoch. */
  dirty = true;
  /** Revisions left out in a conversation when it is fenced off; see `rebuildRevGap`. */
  revGap = 0;
  readonly #maxHeads: number;
  /** Committed conversations, least recently used first. Right for this epoch only. */
  readonly #heads = new Map<string, ConversationDocument>();

  constructor(shard: number, maxHeads: number) {
    this.shard = shard;
    this.#maxHeads = maxHeads;
  }

  begin(epoch: number): void {
    this.epoch = epoch;
    this.#heads.clear();
    this.dirty = false;
  }

  head(name: string): ConversationDocument | undefined {
    return this.#heads.get(name);
  }

  keep(name: string, head: ConversationDocument): void {
    this.#heads.delete(name);
    this.#heads.set(name, head);
  }

  drop(name: string): void {
    this.#heads.delete(name);
  }

  /** Forgets the least recently used heads past the bound; between batches, so that a batch keeps what it loaded. */
  trim(): void {
    for (const name of this.#heads.keys()) {
      if (this.#heads.size <= this.#maxHeads) return;
      this.#heads.delete(name);
    }
  }
}
