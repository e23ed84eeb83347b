import { type KeyValue, nodeKey } from '@caas/key-value';
import type { Clock, Logger } from '@caas/kit';

/** What is known of a node is used again for this long, ms. */
const knownMs = 5_000;
/** A node that was missing once is looked for again after this time, ms: its canary may just have been lost. */
const doubtMs = 1_000;
/** A node counts as dead when its canary was missing at so many looks in a row. */
const missesOfTheDead = 2;
/** Nodes remembered; at it all are forgotten, and count as alive until looked for again. */
const maxNodes = 10_000;

interface Known {
  misses: number;
  /** When it is to be looked for again. */
  dueAtMs: number;
}

/**
 * Which nodes live, as their canaries tell. Answered from memory, without waiting: a node that crashed gets what is sent
 * to it for some seconds more, one not heard of counts as alive.
 */
export class LivingNodes {
  readonly #keyValue: KeyValue;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #known = new Map<string, Known>();
  #asking: Promise<void> | undefined;

  constructor(keyValue: KeyValue, clock: Clock, logger: Logger) {
    this.#keyValue = keyValue;
    this.#clock = clock;
    this.#logger = logger;
  }

  has(nodeId: string): boolean {
    let known = this.#known.get(nodeId);
    if (!known) {
      if (this.#known.size >= maxNodes) this.#known.clear();
      known = { misses: 0, dueAtMs: 0 };
      this.#known.set(nodeId, known);
    }
    if (known.dueAtMs <= this.#clock.now()) this.#asking ??= this.#ask();
    return known.misses < missesOfTheDead;
  }

  async #ask(): Promise<void> {
    // A turn later, so that all nodes of a batch are asked for at once.
    await new Promise((resolve) => setImmediate(resolve));
    const now = this.#clock.now();
    const due = [...this.#known].filter(([, { dueAtMs }]) => dueAtMs <= now);
    try {
      const canaries = await this.#keyValue.getMany(due.map(([nodeId]) => nodeKey(nodeId)));
      for (const [i, [, known]] of due.entries()) known.misses = canaries[i] === undefined ? known.misses + 1 : 0;
    } catch (error) {
      this.#logger.debug({ err: error }, 'which nodes live is not known');
    }
    for (const [, known] of due) known.dueAtMs = now + (known.misses === 1 ? doubtMs : knownMs);
    this.#asking = undefined;
  }
}
