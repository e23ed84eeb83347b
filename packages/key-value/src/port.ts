/**
 * Fast, losable state shared by nodes. Embedded: memory. Distributed: Redis.
 *
 * Nothing here is the truth of anything: every key may vanish at any moment (FLUSHALL) and its owner writes it anew.
 * All keys carry the tenant where they belong to one. Every call rejects with CaasError UNAVAILABLE within
 * `commandTimeoutMs` when the engine does not answer; callers decide what to do without it.
 */
export interface KeyValue {
  get(key: string): Promise<Uint8Array | undefined>;
  getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  /** Sets a value; `ttlMs` after which it is gone (required: nothing here lives for ever). */
  set(key: string, value: Uint8Array, ttlMs: number): Promise<void>;
  /**
   * Adds members to sets. `ttlMs` is each one's own: it goes after that time, whatever happens to the others, and a further
   * addition gives it another. Per entry true when the member was not in the set. Times are the engine's: callers' clocks
   * don't matter.
   */
  addToSets(entries: readonly SetEntry[], ttlMs: number): Promise<boolean[]>;
  removeFromSets(entries: readonly SetEntry[]): Promise<void>;
  /** Members whose time has not passed, of several sets at once, in the order of the keys; an absent set is empty. */
  membersOf(keys: readonly string[]): Promise<string[][]>;
  close(): Promise<void>;
}

export interface SetEntry {
  key: string;
  member: string;
}

/**
 * Best-effort, ordered per sender and receiver, at-most-once messages between nodes. The sure path is the log; a lost
 * envelope costs seconds. Envelopes to a node nobody listens as are dropped.
 */
export interface NodeInbox {
  /** Sends one envelope (≤ 1 MiB) to a node. Resolves when handed over; rejects UNAVAILABLE when it cannot be. */
  send(nodeId: string, envelope: Uint8Array): Promise<void>;
  /**
   * Receives the envelopes of a node from now on, or from when the engine is back; at most one listener per node id, the
   * latest. Returns how to stop.
   */
  listen(nodeId: string, handler: (envelope: Uint8Array) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** Counts use against a limit, across nodes. */
export interface RateLimits {
  /** Takes one point (or `points`) from the bucket of `key` under `rule`. */
  take(rule: RateRule, key: string, points?: number): Promise<RateVerdict>;
  close(): Promise<void>;
}

export interface RateRule {
  /** Name of the limit, part of the stored key and of the error details. */
  name: string;
  /** Points a window holds. */
  points: number;
  /** Length of the window in milliseconds. */
  windowMs: number;
}

export interface RateVerdict {
  allowed: boolean;
  /** Points left in the window. */
  remaining: number;
  /** Until the window resets, in milliseconds. */
  resetMs: number;
}
