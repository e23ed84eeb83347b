import { setTimeout as sleep } from 'node:timers/promises';
import { type GroupOffset, partitionName, shardCount } from '@caas/event-log';
import type { Clock, Logger } from '@caas/kit';
import { type ConversationKey, created, type MessageStore } from '@caas/message-store';
import type { SearchIndex } from '@caas/search-index';
import { appliedWaitMs, conversationsPerPage } from '../limits.ts';
import type { ConversationFeed } from './conversation-feed.ts';

export interface SweepParts {
  store: MessageStore;
  index: SearchIndex;
  feed: ConversationFeed;
  clock: Clock;
  logger: Logger;
}

/** Mark of how far the comparison is. */
const mark = 'sweep';
interface Kept {
  sinceMs: number;
  after: ConversationKey | undefined;
  done: boolean;
}

/** Wait before another attempt after a fault, and between looks at what the workers have applied, in milliseconds. */
const retryMs = 1_000;
const lookMs = 100;

/**
 * Compares the index with the store, conversation by conversation: at the first start, and when the index was lost, or is an
 * older one than the log's group knows. Goes on where it was when the process ended; searches go on meanwhile.
 */
export class Sweep {
  readonly #parts: SweepParts;
  #kept: Kept | undefined;
  #wanted: readonly GroupOffset[] = [];
  #wake = (): void => undefined;

  constructor(parts: SweepParts) {
    this.#parts = parts;
  }

  /** Since when the index may lack something, UTC milliseconds; undefined: it is whole. */
  get sinceMs(): number | undefined {
    return this.#kept && !this.#kept.done ? this.#kept.sinceMs : undefined;
  }

  /** Begins, or begins anew; kept before this resolves. `offsets` are what the workers should have applied first. */
  async begin(offsets: readonly GroupOffset[]): Promise<void> {
    this.#wanted = [...this.#wanted, ...offsets];
    await this.#keep({ sinceMs: this.sinceMs ?? this.#parts.clock.now(), after: undefined, done: false });
    this.#wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { index, logger } = this.#parts;
    while (!signal.aborted) {
      try {
        if (!this.#kept) {
          const [kept] = await index.marks([mark]);
          this.#kept ??= kept === undefined ? undefined : (JSON.parse(kept) as Kept);
          if (!this.#kept) await this.begin([]);
        }
        if (this.#kept?.done === false) await this.#sweep(signal);
        if (this.#kept?.done) await this.#begun(signal);
      } catch (err) {
        if (signal.aborted) return;
        logger.warn({ err }, 'the comparison of index and store goes on later');
        await sleep(retryMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #begun(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  async #keep(kept: Kept): Promise<void> {
    await this.#parts.index.apply({ documents: [], marks: { [mark]: JSON.stringify(kept) } });
    this.#kept = kept;
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const { store, index, feed, logger } = this.#parts;
    const whole = await this.#applied(signal);
    for (let kept = this.#kept as Kept; !kept.done; ) {
      signal.throwIfAborted();
      const heads = await store.conversations.list(kept.after, conversationsPerPage);
      const revs = await index.progress(heads);
      for (const [i, head] of heads.entries()) {
        signal.throwIfAborted();
        if (created(head)) await feed.bring(head, revs[i] as number);
      }
      // It may have been begun anew meanwhile.
      if (this.#kept !== kept) return;
      const end = heads.at(-1);
      const after = end && { tenantId: end.tenantId, conversationId: end.conversationId };
      const last = heads.length < conversationsPerPage;
      kept = { ...kept, after: last ? undefined : after, done: last && whole };
      await this.#keep(kept);
      if (last) break;
    }
    if (whole) logger.info({ messages: feed.messages }, 'the index has what the store has');
  }

  /** What the group has had is not told again: it has to be in the store before it is read there. False: it is not yet. */
  async #applied(signal: AbortSignal): Promise<boolean> {
    const { store, clock, logger } = this.#parts;
    const endMs = clock.now() + appliedWaitMs;
    for (;;) {
      const positions = await Promise.all(
        Array.from({ length: shardCount }, (_, shard) => store.conversations.shardPosition(shard)),
      );
      const position: Record<string, number> = Object.assign({}, ...positions);
      const missing = this.#wanted.filter(
        ({ topic, partition, next }) => (position[partitionName(topic, partition)] ?? 0) < next,
      );
      if (missing.length === 0) return true;
      if (clock.now() > endMs) {
        logger.warn({ partitions: missing.length }, 'the workers are behind: index and store are compared once more');
        return false;
      }
      await sleep(lookMs, undefined, { signal });
    }
  }
}
