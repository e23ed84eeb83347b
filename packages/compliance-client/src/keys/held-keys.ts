import { createSecretKey, type KeyObject } from 'node:crypto';
import { maxHeldKeys, maxRememberedDestroyed } from './limits.ts';

/** A data key in use. */
export interface HeldKey {
  readonly keyId: string;
  readonly userId: string;
  /** For node:crypto. Its bytes are in memory that OpenSSL clears when the object is gone; no other copy is kept. */
  readonly secret: KeyObject;
}

interface Entry extends HeldKey {
  readonly tenantId: string;
  /** Until when it may be used, on the ring's clock. */
  readonly untilMs: number;
  /** From when on it is worth fetching anew. */
  readonly staleMs: number;
}

const nameOf = (tenantId: string, id: string): string => `${tenantId}\0${id}`;

/** The keys a ring holds: each for its time, at most `maxHeldKeys`, none that was destroyed. */
export class HeldKeys {
  readonly #byId = new Map<string, Entry>();
  readonly #current = new Map<string, Entry>();
  readonly #destroyed = new Set<string>();
  readonly #users = new Set<string>();

  get size(): number {
    return this.#byId.size;
  }

  /** Takes a key over; its bytes are overwritten where they were. Undefined for one that was destroyed meanwhile. */
  hold(
    tenantId: string,
    key: { keyId: string; userId: string; bytes: Uint8Array; isCurrent: boolean },
    { nowMs, holdMs }: { nowMs: number; holdMs: number },
  ): HeldKey | undefined {
    const { keyId, userId, bytes, isCurrent } = key;
    const name = nameOf(tenantId, keyId);
    if (this.#destroyed.has(name)) {
      bytes.fill(0);
      return undefined;
    }
    const secret = createSecretKey(bytes);
    bytes.fill(0);
    const entry = { tenantId, keyId, userId, secret, untilMs: nowMs + holdMs, staleMs: nowMs + holdMs / 2 };
    const before = this.#byId.get(name);
    this.#byId.delete(name);
    this.#byId.set(name, entry);
    const user = nameOf(tenantId, userId);
    if (isCurrent) this.#current.set(user, entry);
    // It was, and is no more.
    else if (before && this.#current.get(user) === before) this.#current.delete(user);
    if (this.#byId.size > maxHeldKeys) this.#drop(this.#byId.values().next().value as Entry);
    return entry;
  }

  /** The user's current key, and whether it is time to fetch it anew. */
  current(tenantId: string, userId: string, nowMs: number): { key: HeldKey; stale: boolean } | undefined {
    const entry = this.#current.get(nameOf(tenantId, userId));
    if (!entry) return undefined;
    if (entry.untilMs > nowMs) return { key: entry, stale: entry.staleMs <= nowMs };
    this.#drop(entry);
    return undefined;
  }

  byId(tenantId: string, keyId: string, nowMs: number): HeldKey | 'destroyed' | undefined {
    const name = nameOf(tenantId, keyId);
    const entry = this.#byId.get(name);
    if (!entry) return this.#destroyed.has(name) ? 'destroyed' : undefined;
    if (entry.untilMs <= nowMs) {
      this.#drop(entry);
      return undefined;
    }
    this.#byId.delete(name);
    this.#byId.set(name, entry);
    return entry;
  }

  /** The key is gone for good. */
  destroyed(tenantId: string, keyId: string): void {
    const name = nameOf(tenantId, keyId);
    const entry = this.#byId.get(name);
    if (entry) this.#drop(entry);
    remember(this.#destroyed, name);
  }

  /** The user's keys are, and there will be no other. */
  userDestroyed(tenantId: string, userId: string): void {
    const name = nameOf(tenantId, userId);
    const entry = this.#current.get(name);
    if (entry) this.#drop(entry);
    remember(this.#users, name);
  }

  isUserDestroyed(tenantId: string, userId: string): boolean {
    return this.#users.has(nameOf(tenantId, userId));
  }

  clear(): void {
    this.#byId.clear();
    this.#current.clear();
  }

  #drop(entry: Entry): void {
    this.#byId.delete(nameOf(entry.tenantId, entry.keyId));
    const user = nameOf(entry.tenantId, entry.userId);
    if (this.#current.get(user) === entry) this.#current.delete(user);
  }
}

const remember = (names: Set<string>, name: string): void => {
  names.delete(name);
  names.add(name);
  if (names.size > maxRememberedDestroyed) names.delete(names.values().next().value as string);
};
