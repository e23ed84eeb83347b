import type { NodeBounds } from '../limits.ts';

export type ReadBounds = Pick<
  NodeBounds,
  'maxReadBytes' | 'maxTenantReadBytes' | 'maxUserReadBytes' | 'maxConnectionReadBytes'
>;

/** Who reads: one connection of a user. */
export interface Reader {
  readonly tenantId: string;
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
  /** Those who found no room in what their connection or their user may hold. */
  readonly waiting: Set<Reader>;
}

/**
 * Memory that answers take, from before the store is asked until the client has taken them: set aside at the greatest size
 * an answer can have, then what it has. Bounded for a connection, for a user, for a tenant and for the node. Who finds no
 * room waits, and is woken when there may be some: tenants in turn, and a tenant's readers in the order they came, so that
 * nobody waits for more than one answer of each other tenant.
 */
export class ReadBudget {
  readonly #bounds: ReadBounds;
  readonly #users = new Map<string, UserReads>();
  /** Bytes held by tenant. */
  readonly #tenants = new Map<string, number>();
  /** Readers that wait for bytes of their tenant or the node, by tenant; whose turn is next is first. */
  readonly #waiting = new Map<string, Set<Reader>>();
  /** Who found no room last in what is shared, and whose share was used up. */
  #refused: { reader: Reader; by: 'tenant' | 'node' } | undefined;
  #heldBytes = 0;
  /** True while somebody waits for the node's bytes. */
  #nodeIsFull = false;

  constructor(bounds: ReadBounds) {
    this.#bounds = bounds;
  }

  /** Bytes set aside by all. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** True while readers wait for what clients of this tenant hold, perhaps: patience with who takes nothing is short then. */
  pressed(tenantId: string): boolean {
    return this.#nodeIsFull || this.#waiting.has(tenantId);
  }

  /** Sets bytes aside; undefined: not now, the reader is woken. */
  take(reader: Reader, bytes: number): Hold | undefined {
    const { maxReadBytes, maxTenantReadBytes, maxUserReadBytes, maxConnectionReadBytes } = this.#bounds;
    let user = this.#users.get(reader.user);
    // One answer always has room in what nobody else holds, however great it may be.
    const full = (held: number, max: number): boolean => held > 0 && held + bytes > max;
    if (full(reader.heldBytes, maxConnectionReadBytes) || (user && full(user.heldBytes, maxUserReadBytes))) {
      user?.waiting.add(reader);
      return undefined;
    }
    if (full(this.#tenants.get(reader.tenantId) ?? 0, maxTenantReadBytes)) return this.#refuse(reader, 'tenant');
    if (full(this.#heldBytes, maxReadBytes)) return this.#refuse(reader, 'node');
    if (!user) {
      user = { heldBytes: 0, waiting: new Set() };
      this.#users.set(reader.user, user);
    }
    this.#add(reader, user, bytes);
    return this.#hold(reader, user, bytes);
  }

  #refuse(reader: Reader, by: 'tenant' | 'node'): undefined {
    this.#wait(reader);
    this.#refused = { reader, by };
    if (by === 'node') this.#nodeIsFull = true;
  }

  #wait(reader: Reader): void {
    const queue = this.#waiting.get(reader.tenantId) ?? new Set();
    this.#waiting.set(reader.tenantId, queue.add(reader));
  }

  #hold(reader: Reader, user: UserReads, taken: number): Hold {
    let held = taken;
    const settle = (bytes: number): void => {
      const freed = held - bytes;
      held = bytes;
      this.#add(reader, user, -freed);
      if (freed > 0) this.#freed(reader.user, user);
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
    const tenantBytes = (this.#tenants.get(reader.tenantId) ?? 0) + bytes;
    if (tenantBytes === 0) this.#tenants.delete(reader.tenantId);
    else this.#tenants.set(reader.tenantId, tenantBytes);
  }

  #freed(name: string, user: UserReads): void {
    // What a user gives back is not the user's to take again: others may have waited for it longer.
    for (const reader of user.waiting) this.#wait(reader);
    user.waiting.clear();
    if (user.heldBytes === 0) this.#users.delete(name);
    this.#nodeIsFull = false;
    this.#wakeInTurn();
  }

  /** Each tenant's first, until one finds no room in the node. A tenant whose share is used up is passed over. */
  #wakeInTurn(): void {
    for (const [tenantId, queue] of this.#waiting) {
      const refused = this.#wakeFirst(queue);
      if (refused?.by === 'node' && !refused.gotSome) return;
      if (refused?.by === 'tenant' && !refused.gotSome) continue;
      // The turn is over: to the end of the line, where this loop comes by again.
      this.#waiting.delete(tenantId);
      if (queue.size > 0) this.#waiting.set(tenantId, queue);
      if (refused?.by === 'node') return;
    }
  }

  /** Wakes the first of a queue, who leaves it; one that found no room keeps its place, or goes last if it got something. */
  #wakeFirst(queue: Set<Reader>): { by: 'tenant' | 'node'; gotSome: boolean } | undefined {
    const [reader] = queue;
    if (!reader) return undefined;
    const { heldBytes } = reader;
    this.#refused = undefined;
    reader.wake();
    const refused = this.#refusalOf(reader);
    const gotSome = reader.heldBytes > heldBytes;
    if (!refused || gotSome) queue.delete(reader);
    if (!refused) return undefined;
    queue.add(reader);
    return { by: refused, gotSome };
  }

  #refusalOf(reader: Reader): 'tenant' | 'node' | undefined {
    return this.#refused?.reader === reader ? this.#refused.by : undefined;
  }
}
