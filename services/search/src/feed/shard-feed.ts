import { type GroupOffset, type LogRecord, partitionName } from '@caas/event-log';
import { type Clock, fail, type Logger } from '@caas/kit';
import type { SearchIndex } from '@caas/search-index';
import { maxWaiting, nowhereForMs } from '../limits.ts';
import type { ConversationFeed } from './conversation-feed.ts';
import { joined, nameOf, type Trigger, triggersIn } from './triggers.ts';

export interface ShardFeedParts {
  index: SearchIndex;
  feed: ConversationFeed;
  clock: Clock;
  logger: Logger;
  /** Something waits for its commit. */
  onWaiting(): void;
}

/** What the index keeps of a shard, under one mark. */
interface Kept {
  /** By "topic-partition" the next offset. */
  position: Record<string, number>;
  waiting: Trigger[];
}

/**
 * One shard of the log. What is committed is given to the index at once; what is not yet waits aside, so that nobody waits
 * for it, and is kept with the index, so that it is not forgotten when the process ends.
 */
export class ShardFeed {
  readonly #shard: number;
  readonly #parts: ShardFeedParts;
  readonly #position: Record<string, number>;
  readonly #waiting: Map<string, Trigger>;
  /** When the log took the first record of the batch in hand, UTC milliseconds. */
  #inHandSinceMs: number | undefined;

  private constructor(shard: number, parts: ShardFeedParts, { position, waiting }: Kept) {
    this.#shard = shard;
    this.#parts = parts;
    this.#position = position;
    this.#waiting = new Map(waiting.map((trigger) => [nameOf(trigger), trigger]));
  }

  /** The shard as the index knows it; `complete` is false when the group has had records that the index does not have. */
  static async open(
    shard: number,
    offsets: readonly GroupOffset[],
    parts: ShardFeedParts,
  ): Promise<{ feed: ShardFeed; complete: boolean }> {
    const [mark] = await parts.index.marks([`shard/${shard}`]);
    const kept: Kept = mark === undefined ? { position: {}, waiting: [] } : JSON.parse(mark);
    let complete = true;
    for (const { topic, partition, next } of offsets) {
      const name = partitionName(topic, partition);
      if ((kept.position[name] ?? 0) < next) complete = false;
      kept.position[name] = next;
    }
    return { feed: new ShardFeed(shard, parts, kept), complete };
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Since when something that the log has is not in the index, UTC milliseconds; undefined: everything seen is. */
  get behindSinceMs(): number | undefined {
    let since = this.#inHandSinceMs;
    for (const { sinceMs } of this.#waiting.values()) since = Math.min(since ?? sinceMs, sinceMs);
    return since;
  }

  async batch(records: readonly LogRecord[]): Promise<void> {
    const triggers = triggersIn(records);
    if (triggers.length > 0) this.#inHandSinceMs = Math.min(...triggers.map(({ sinceMs }) => sinceMs));
    if (this.#waiting.size >= maxWaiting)
      fail('OVERLOADED', 'too many conversations wait for a commit', { details: { limit: 'maxWaiting' } });
    const fed = await this.#parts.feed.feed(triggers);
    for (const [i, trigger] of triggers.entries()) if (fed[i] !== 'done') this.#wait(trigger);
    for (const { topic, partition, offset } of records) this.#position[partitionName(topic, partition)] = offset + 1;
    await this.#keep();
    // A batch that failed stays in hand: it comes again.
    this.#inHandSinceMs = undefined;
  }

  /** Looks again at what waits. */
  async again(): Promise<void> {
    const { feed, clock, logger } = this.#parts;
    const triggers = [...this.#waiting.values()];
    const fed = await feed.feed(triggers);
    let moved = false;
    for (const [i, trigger] of triggers.entries()) {
      const given = fed[i] === 'nowhere' && clock.now() - trigger.sinceMs > nowhereForMs;
      if (given) logger.warn({ tenantId: trigger.tenantId }, 'an event of no conversation is given up');
      // What has come for it meanwhile is waited for in its turn.
      if ((fed[i] !== 'done' && !given) || this.#waiting.get(nameOf(trigger)) !== trigger) continue;
      this.#waiting.delete(nameOf(trigger));
      moved = true;
    }
    if (moved) await this.#keep();
  }

  #wait(trigger: Trigger): void {
    const name = nameOf(trigger);
    this.#waiting.set(name, joined(this.#waiting.get(name), trigger));
    this.#parts.onWaiting();
  }

  async #keep(): Promise<void> {
    const kept: Kept = { position: this.#position, waiting: [...this.#waiting.values()] };
    await this.#parts.index.apply({ documents: [], marks: { [`shard/${this.#shard}`]: JSON.stringify(kept) } });
  }
}
