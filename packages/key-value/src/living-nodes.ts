import type { Clock, Logger } from '@caas/kit';
import { nodeKey } from './keys.ts';
import type { KeyValue } from './port.ts';

/** What is known of a node is used again for this long, ms. */
const knownMs = 5_000;
/** A node that was missing once is looked for again after this time, ms: its canary may just have been lost. */
const doubtMs = 1_000;
/** A node counts as dead when its canary was missing at so many looks in a row. */
const missesOfTheDead = 2;
/** A node nobody asks for is forgotten after this time, ms: longer than what it registered is kept. */
const forgottenMs = 600_000;
/** Nodes remembered; at it all are forgotten, and count as alive until looked for again. */
const maxNodes = 10_000;

interface Known {
  misses: number;
  /** When it is to be looked for again. */
  dueAtMs: number;
  askedForAtMs: number;
}

/** Those of the nodes that live, as their canaries tell now. */
export const livingNodes = async (keyValue: KeyValue, nodeIds: readonly string[]): Promise<Set<string>> => {
  const distinct = [...new Set(nodeIds)];
  const canaries = distinct.length > 0 ? await keyValue.getMany(distinct.map(nodeKey)) : [];
  return new Set(distinct.filter((_, i) => canaries[i] !== undefined));
};

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

  /** Those of a set's members that count as alive. */
  among(nodeIds: readonly string[]): string[] {
    return nodeIds.filter((nodeId) => this.#lives(nodeId));
  }

  #lives(nodeId: string): boolean {
    const nowMs = this.#clock.now();
    let known = this.#known.get(nodeId);
    if (!known) {
      if (this.#known.size >= maxNodes) this.#known.clear();
      known = { misses: 0, dueAtMs: 0, askedForAtMs: nowMs };
      this.#known.set(nodeId, known);
    }
    known.askedForAtMs = nowMs;
    if (known.dueAtMs <= nowMs) this.#asking ??= this.#ask();
    return known.misses < missesOfTheDead;
  }

  async #ask(): Promise<void> {
    // A turn later, so that all nodes of a batch are asked for at once.
    await new Promise((resolve) => setImmediate(resolve));
    const nowMs = this.#clock.now();
    const due = new Map<string, Known>();
    for (const [nodeId, known] of this.#known)
      if (nowMs - known.askedForAtMs > forgottenMs) this.#known.delete(nodeId);
      else if (known.dueAtMs <= nowMs) due.set(nodeId, known);
    try {
      const living = await livingNodes(this.#keyValue, [...due.keys()]);
      for (const [nodeId, known] of due) known.misses = living.has(nodeId) ? 0 : known.misses + 1;
    } catch (error) {
      this.#logger.debug({ err: error }, 'which nodes live is not known');
    }
    for (const known of due.values()) known.dueAtMs = nowMs + (known.misses === 1 ? doubtMs : knownMs);
    this.#asking = undefined;
  }
}
