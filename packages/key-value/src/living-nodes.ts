import type { Clock, Logger } from '@caas/kit';
import { nodeKey } from './keys.ts';
import { type NodeStart, startOf } from './node-start.ts';
import type { KeyValue } from './port.ts';

/** What is known of a member is used again for this long, ms. */
const knownMs = 5_000;
/** A member whose start was missing once is looked for again after this time, ms: its canary may just have been lost. */
const doubtMs = 1_000;
/** A member counts as dead when its start was missing at so many looks in a row. */
const missesOfTheDead = 2;
/** A member nobody asks for is forgotten after this time, ms: longer than what a node registered is kept. */
const forgottenMs = 600_000;
/** Members remembered; at it all are forgotten, and count as living until looked for again. */
const maxMembers = 10_000;

interface Known {
  nodeId: string;
  misses: number;
  /** When it is to be looked for again. */
  dueAtMs: number;
  askedForAtMs: number;
}

/** Says that a start lives, for `ttlMs`. */
export const setCanary = (keyValue: KeyValue, { nodeId, startId }: NodeStart, ttlMs: number): Promise<void> =>
  keyValue.set(nodeKey(nodeId), Buffer.from(startId), ttlMs);

/** Those of the members whose start lives, as the canaries tell now: a node's names the start that lives. */
export const livingMembers = async (keyValue: KeyValue, members: readonly string[]): Promise<Set<string>> => {
  if (members.length === 0) return new Set();
  const starts = new Map(members.map((member) => [member, startOf(member)]));
  const nodeIds = [...new Set([...starts.values()].map(({ nodeId }) => nodeId))];
  const canaries = await keyValue.getMany(nodeIds.map(nodeKey));
  const living = new Map(nodeIds.map((nodeId, i) => [nodeId, canaries[i] && Buffer.from(canaries[i]).toString()]));
  return new Set(
    members.filter((member) => living.get(starts.get(member)?.nodeId ?? '') === starts.get(member)?.startId),
  );
};

/**
 * Which starts of nodes live, as their canaries tell. Answered from memory, without waiting: a node that crashed gets what is
 * sent to it for some seconds more, one not heard of counts as living.
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

  /** Ids of the nodes of those members of a set that count as living, each once. */
  nodesOf(members: readonly string[]): string[] {
    const nowMs = this.#clock.now();
    const nodeIds = new Set<string>();
    for (const member of members) {
      const known = this.#of(member, nowMs);
      if (known.misses < missesOfTheDead) nodeIds.add(known.nodeId);
    }
    return [...nodeIds];
  }

  /** What is known of a member, to be looked for soon where that is old. */
  #of(member: string, nowMs: number): Known {
    let known = this.#known.get(member);
    if (!known) {
      if (this.#known.size >= maxMembers) this.#known.clear();
      known = { nodeId: startOf(member).nodeId, misses: 0, dueAtMs: 0, askedForAtMs: nowMs };
      this.#known.set(member, known);
    }
    known.askedForAtMs = nowMs;
    if (known.dueAtMs <= nowMs) this.#asking ??= this.#ask();
    return known;
  }

  async #ask(): Promise<void> {
    // A turn later, so that all nodes of a batch are asked for at once.
    await new Promise((resolve) => setImmediate(resolve));
    const nowMs = this.#clock.now();
    const due = new Map<string, Known>();
    for (const [member, known] of this.#known)
      if (nowMs - known.askedForAtMs > forgottenMs) this.#known.delete(member);
      else if (known.dueAtMs <= nowMs) due.set(member, known);
    try {
      const living = await livingMembers(this.#keyValue, [...due.keys()]);
      for (const [member, known] of due) known.misses = living.has(member) ? 0 : known.misses + 1;
    } catch (error) {
      this.#logger.debug({ err: error }, 'which nodes live is not known');
    }
    for (const known of due.values()) known.dueAtMs = nowMs + (known.misses === 1 ? doubtMs : knownMs);
    this.#asking = undefined;
  }
}
