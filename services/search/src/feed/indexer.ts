import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupOffset, LogRecord, ShardHandler } from '@caas/event-log';
import { CaasError } from '@caas/kit';
import { waitingPollMs, youngForMs } from '../limits.ts';
import { ShardFeed, type ShardFeedParts } from './shard-feed.ts';

export interface IndexerParts extends Omit<ShardFeedParts, 'onWaiting'> {
  /** The index lacks what the group has had: it has to be compared with the store. */
  onIncomplete(offsets: readonly GroupOffset[]): Promise<void>;
}

/** Feeds the index from the shards of the log that this process owns. */
export class Indexer implements ShardHandler {
  readonly #parts: IndexerParts;
  readonly #shards = new Map<number, ShardFeed>();
  #wake = (): void => undefined;

  constructor(parts: IndexerParts) {
    this.#parts = parts;
  }

  async assigned(shard: number, offsets: readonly GroupOffset[]): Promise<void> {
    const parts = { ...this.#parts, onWaiting: () => this.#wake() };
    const { feed, complete } = await ShardFeed.open(shard, offsets, parts);
    if (!complete) await this.#parts.onIncomplete(offsets);
    this.#shards.set(shard, feed);
    this.#wake();
  }

  async batch(shard: number, records: readonly LogRecord[]): Promise<void> {
    const feed = this.#shards.get(shard);
    if (!feed) throw new CaasError('UNAVAILABLE', 'the shard is not assigned');
    await feed.batch(records);
  }

  async revoked(shard: number): Promise<void> {
    this.#shards.delete(shard);
  }

  get behindSinceMs(): number | undefined {
    const all = [...this.#shards.values()].flatMap(({ behindSinceMs }) => behindSinceMs ?? []);
    return all.length === 0 ? undefined : Math.min(...all);
  }

  /** Conversations whose commit is awaited. */
  get waiting(): number {
    return [...this.#shards.values()].reduce((sum, { waiting }) => sum + waiting, 0);
  }

  #somethingWaits(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Looks at what waits, again and again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#parts;
    while (!signal.aborted) {
      if (this.waiting === 0) await this.#somethingWaits(signal);
      const young = clock.now() - (this.behindSinceMs ?? 0) < youngForMs;
      const pollMs = young ? waitingPollMs.young : waitingPollMs.old + waitingPollMs.each * this.waiting;
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
      for (const [shard, feed] of this.#shards) {
        if (feed.waiting === 0 || signal.aborted) continue;
        // The engines may be away: the next turn comes soon.
        await feed.again().catch((err: unknown) => logger.warn({ err, shard }, 'what waits for a commit waits on'));
      }
    }
  }
}
