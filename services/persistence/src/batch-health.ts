import type { ShardHandler } from '@caas/event-log';
import type { Clock } from '@caas/kit';

/** How long batches of a shard may fail, again and again, before the worker counts as not ready, ms. */
export const maxFailingMs = 30_000;

/** Whether a worker gets on: engines that are away for a moment are no reason to call it unwell, a full disk is. */
export class BatchHealth {
  readonly #clock: Clock;
  /** Since when nothing of a shard went through. */
  readonly #failingSinceMs = new Map<number, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get ready(): boolean {
    const now = this.#clock.now();
    for (const sinceMs of this.#failingSinceMs.values()) if (now - sinceMs >= maxFailingMs) return false;
    return true;
  }

  /** The handler as it is, watched. */
  watched(handler: ShardHandler): ShardHandler {
    const watch = async <T>(shard: number, work: Promise<T>, signal?: AbortSignal): Promise<T> => {
      try {
        const result = await work;
        this.#failingSinceMs.delete(shard);
        return result;
      } catch (error) {
        if (!signal?.aborted && !this.#failingSinceMs.has(shard)) this.#failingSinceMs.set(shard, this.#clock.now());
        throw error;
      }
    };
    return {
      assigned: (shard, ...rest) => watch(shard, handler.assigned(shard, ...rest)),
      batch: (shard, records, signal) => watch(shard, handler.batch(shard, records, signal), signal),
      revoked: (shard) => {
        this.#failingSinceMs.delete(shard);
        return handler.revoked(shard);
      },
    };
  }
}
