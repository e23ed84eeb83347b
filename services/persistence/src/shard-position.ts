import { type LogRecord, partitionName } from '@caas/event-log';

/** How long after a batch its shard's position is kept, in milliseconds; what a crash loses of it is applied again. */
export const keepPositionAfterMs = 1_000;

/**
 * How far a shard's records are in the store: what is below is committed, or put aside. Kept in the store a while after it
 * moved, so that a batch does not pay for it; so what is kept never runs ahead of the documents.
 */
export class ShardPosition {
  readonly #next: Record<string, number>;
  readonly #keep: (position: Readonly<Record<string, number>>) => Promise<void>;
  readonly #onFault: (fault: unknown) => void;
  #moved = false;
  #timer: NodeJS.Timeout | undefined;

  /** `onFault` hears of a position that could not be kept; the next move tries again. */
  constructor(
    kept: Readonly<Record<string, number>>,
    keep: (position: Readonly<Record<string, number>>) => Promise<void>,
    onFault: (fault: unknown) => void,
  ) {
    this.#next = { ...kept };
    this.#keep = keep;
    this.#onFault = onFault;
  }

  /** By "topic-partition" the next offset. */
  get next(): Readonly<Record<string, number>> {
    return this.#next;
  }

  /** Records were committed or put aside. */
  passed(records: readonly LogRecord[]): void {
    for (const { topic, partition, offset } of records) this.reach(topic, partition, offset + 1);
  }

  /** Everything below `next` is in the store. */
  reach(topic: string, partition: number, next: number): void {
    const name = partitionName(topic, partition);
    if (next <= (this.#next[name] ?? 0)) return;
    this.#next[name] = next;
    this.#moved = true;
    this.#timer ??= setTimeout(() => void this.settle(), keepPositionAfterMs).unref();
  }

  /** Keeps what moved, now. Never rejects. */
  async settle(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#moved) return;
    this.#moved = false;
    try {
      await this.#keep({ ...this.#next });
    } catch (fault) {
      this.#moved = true;
      this.#onFault(fault);
    }
  }
}
