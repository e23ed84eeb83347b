import type { NodeBounds } from '../limits.ts';

export type ReadBounds = Pick<NodeBounds, 'maxReadBytes' | 'maxUserReadBytes' | 'maxConnectionReadBytes'>;

/** Who reads: one connection of a user. */
export interface Reader {
  /** Names the user, tenant included. */
  readonly user: string;
  /** Bytes this connection holds; the budget's to change. */
  heldBytes: number;
  /** There may be room again: takes what it needs before it returns. */
  wake(): void;
}

/** Bytes set aside for one answer. */
export interface Hold {
  /** The answer is made, and has this many bytes. */
  settle(bytes: number): void;
  /** The client has taken it, or there is none. Once is enough. */
  release(): void;
}

interface UserReads {
  heldBytes: number;
  readonly waiting: Set<Reader>;
}

/**
 * Memory that answers take, from before the store is asked until the client has taken them: set aside at the greatest size
 * an answer can have, then what it has. Bounded for a connection, for a user and for the node; who finds no room waits, and
 * is woken when there may be some.
 */
export class ReadBudget {
  readonly #bounds: ReadBounds;
  readonly #users = new Map<string, UserReads>();
  /** In the order they came. */
  readonly #waiting = new Set<Reader>();
  /** Who found no room last. */
  #refused: Reader | undefined;
  #heldBytes = 0;

  constructor(bounds: ReadBounds) {
    this.#bounds = bounds;
  }

  /** Bytes set aside by all. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** True while readers wait for others to take their answers: patience with those who don't is short then. */
  get pressed(): boolean {
    return this.#waiting.size > 0;
  }

  /** Sets bytes aside; undefined: not now, the reader is woken. */
  take(reader: Reader, bytes: number): Hold | undefined {
    const { maxReadBytes, maxUserReadBytes, maxConnectionReadBytes } = this.#bounds;
    let user = this.#users.get(reader.user);
    // One answer always has room in what nobody else holds, however great it may be.
    const full = (held: number, max: number): boolean => held > 0 && held + bytes > max;
    if (full(reader.heldBytes, maxConnectionReadBytes) || (user && full(user.heldBytes, maxUserReadBytes))) {
      user?.waiting.add(reader);
      return undefined;
    }
    if (full(this.#heldBytes, maxReadBytes)) {
      this.#waiting.add(reader);
      this.#refused = reader;
      return undefined;
    }
    if (!user) {
      user = { heldBytes: 0, waiting: new Set() };
      this.#users.set(reader.user, user);
    }
    this.#add(reader, user, bytes);
    return this.#hold(reader, user, bytes);
  }

  #hold(reader: Reader, user: UserReads, taken: number): Hold {
    let held = taken;
    const settle = (bytes: number): void => {
      const freed = held - bytes;
      held = bytes;
      this.#add(reader, user, -freed);
      if (freed > 0) this.#wake(user);
    };
    return {
      settle,
      release: () => {
        if (held > 0) settle(0);
      },
    };
  }

  #add(reader: Reader, user: UserReads, bytes: number): void {
    reader.heldBytes += bytes;
    user.heldBytes += bytes;
    this.#heldBytes += bytes;
    if (user.heldBytes === 0 && user.waiting.size === 0) this.#users.delete(reader.user);
  }

  #wake(user: UserReads): void {
    const own = [...user.waiting];
    user.waiting.clear();
    for (const reader of own) reader.wake();
    // Each in turn, until one finds no room. It keeps its place, unless it got something before.
    for (const reader of this.#waiting) {
      const heldBytes = reader.heldBytes;
      const refused = this.#refuses(reader);
      if (!refused || reader.heldBytes > heldBytes) this.#waiting.delete(reader);
      if (!refused) continue;
      this.#waiting.add(reader);
      return;
    }
  }

  /** Wakes a reader; true when it found no room. */
  #refuses(reader: Reader): boolean {
    this.#refused = undefined;
    reader.wake();
    return this.#refused === reader;
  }
}
