import { CaasError, type Clock, systemClock } from '@caas/kit';
import type { KeyValue, SetEntry } from './port.ts';

/** Values and set members held at most. */
export const defaultMaxEntries = 1_000_000;
/** Bytes of keys, values and members held at most, by estimate. */
export const defaultMaxBytes = 256 * 1024 * 1024;
/** What an entry takes beside its characters and bytes; an estimate. */
const entryOverheadBytes = 96;
/** Entries looked at for expiry with each write: more than one, so that what is dead goes faster than new comes. */
const sweepPerWrite = 4;

export interface MemoryKeyValueOptions {
  maxEntries?: number;
  maxBytes?: number;
  clock?: Clock;
}

/** KeyValue in this process; at a limit the keys written longest ago go first. Nodes share one instance. */
export interface MemoryKeyValue extends KeyValue {
  /** Loses everything, as FLUSHALL does. */
  flush(): void;
  /** Values and set members held, expired ones that nobody met yet included. */
  readonly size: number;
}

interface Entry {
  /** A value, or the members of a set and when each goes. */
  held: Uint8Array | Map<string, number>;
  /** When all of it has gone. */
  expiresAtMs: number;
  /** When the first of a set's members goes, or earlier. */
  firstExpiresAtMs: number;
  entries: number;
  bytes: number;
}

export const memoryKeyValue = (options: MemoryKeyValueOptions = {}): MemoryKeyValue => new MapKeyValue(options);

const bytesOf = (text: string): number => text.length + entryOverheadBytes;

/** Every method is async in form only: it does its work before it returns, so calls take effect in the order made. */
class MapKeyValue implements MemoryKeyValue {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #clock: Clock;
  /** In the order of last creation: the first is evicted first. */
  readonly #map = new Map<string, Entry>();
  #sweep: Iterator<[string, Entry]> = this.#map.entries();
  #entries = 0;
  #bytes = 0;
  #closed = false;

  constructor({
    maxEntries = defaultMaxEntries,
    maxBytes = defaultMaxBytes,
    clock = systemClock,
  }: MemoryKeyValueOptions) {
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    return this.#value(key);
  }

  async getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    this.#checkOpen();
    return keys.map((key) => this.#value(key));
  }

  async set(key: string, value: Uint8Array, ttlMs: number): Promise<void> {
    this.#checkOpen();
    this.#put(key, value, ttlMs);
  }

  async addToSets(entries: readonly SetEntry[], ttlMs: number): Promise<boolean[]> {
    this.#checkOpen();
    const expiresAtMs = this.#expiry(ttlMs);
    const added = entries.map(({ key, member }) => this.#addMember(key, member, expiresAtMs));
    this.#keepBounds();
    return added;
  }

  async removeFromSets(entries: readonly SetEntry[]): Promise<void> {
    this.#checkOpen();
    for (const { key, member } of entries) {
      const entry = this.#live(key);
      if (!entry || !membersOf(entry, key).delete(member)) continue;
      this.#grow(entry, -1, -bytesOf(member));
      if (entry.entries === 0) this.#drop(key);
    }
  }

  async membersOf(keys: readonly string[]): Promise<string[][]> {
    this.#checkOpen();
    return keys.map((key) => {
      const entry = this.#live(key);
      return entry ? [...membersOf(entry, key).keys()] : [];
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.flush();
  }

  flush(): void {
    this.#map.clear();
    this.#sweep = this.#map.entries();
    this.#entries = 0;
    this.#bytes = 0;
  }

  #checkOpen(): void {
    if (this.#closed) throw new CaasError('DRAINING', 'the key-value store is closed');
  }

  #expiry(ttlMs: number): number {
    if (!(ttlMs > 0 && Number.isFinite(ttlMs)))
      throw new CaasError('INVALID_ARGUMENT', 'a time to live is positive', { details: { field: 'ttlMs' } });
    return this.#clock.now() + ttlMs;
  }

  #value(key: string): Uint8Array | undefined {
    const held = this.#live(key)?.held;
    if (held instanceof Map) throw wrongKind(key);
    return held;
  }

  #put(key: string, value: Uint8Array, ttlMs: number): void {
    const expiresAtMs = this.#expiry(ttlMs);
    this.#drop(key);
    // A copy: the caller's bytes may be a slice of a pool, which would live as long, or change.
    const entry = { held: new Uint8Array(value), expiresAtMs, firstExpiresAtMs: expiresAtMs, entries: 0, bytes: 0 };
    this.#map.set(key, entry);
    this.#grow(entry, 1, bytesOf(key) + value.byteLength);
    this.#keepBounds();
  }

  #addMember(key: string, member: string, expiresAtMs: number): boolean {
    let entry = this.#live(key);
    if (!entry) {
      entry = { held: new Map<string, number>(), expiresAtMs, firstExpiresAtMs: expiresAtMs, entries: 0, bytes: 0 };
      this.#map.set(key, entry);
      this.#grow(entry, 0, bytesOf(key));
    }
    const members = membersOf(entry, key);
    entry.expiresAtMs = Math.max(entry.expiresAtMs, expiresAtMs);
    entry.firstExpiresAtMs = Math.min(entry.firstExpiresAtMs, expiresAtMs);
    const added = !members.has(member);
    members.set(member, expiresAtMs);
    if (added) this.#grow(entry, 1, bytesOf(member));
    return added;
  }

  /** The entry of a key, if it has not expired, with the members that have not; what has goes when met. */
  #live(key: string): Entry | undefined {
    const entry = this.#map.get(key);
    if (entry) this.#expire(key, entry, this.#clock.now());
    return this.#map.get(key);
  }

  #expire(key: string, entry: Entry, nowMs: number): void {
    if (entry.held instanceof Map && entry.firstExpiresAtMs <= nowMs) this.#expireMembers(entry, entry.held, nowMs);
    if (entry.expiresAtMs <= nowMs || entry.entries === 0) this.#drop(key);
  }

  /** Looks at all members, and not again before the next of them goes. */
  #expireMembers(entry: Entry, members: Map<string, number>, nowMs: number): void {
    entry.firstExpiresAtMs = entry.expiresAtMs;
    for (const [member, expiresAtMs] of members) {
      if (expiresAtMs > nowMs) {
        entry.firstExpiresAtMs = Math.min(entry.firstExpiresAtMs, expiresAtMs);
      } else {
        members.delete(member);
        this.#grow(entry, -1, -bytesOf(member));
      }
    }
  }

  #drop(key: string): void {
    const entry = this.#map.get(key);
    if (!entry) return;
    this.#map.delete(key);
    this.#entries -= entry.entries;
    this.#bytes -= entry.bytes;
  }

  #grow(entry: Entry, entries: number, bytes: number): void {
    entry.entries += entries;
    entry.bytes += bytes;
    this.#entries += entries;
    this.#bytes += bytes;
  }

  #keepBounds(): void {
    const nowMs = this.#clock.now();
    for (let i = 0; i < sweepPerWrite; i += 1) {
      const { done, value } = this.#sweep.next();
      if (done) {
        this.#sweep = this.#map.entries();
        break;
      }
      this.#expire(value[0], value[1], nowMs);
    }
    while (this.#entries > this.#maxEntries || this.#bytes > this.#maxBytes)
      this.#drop(this.#map.keys().next().value as string);
  }
}

const membersOf = (entry: Entry, key: string): Map<string, number> => {
  if (entry.held instanceof Map) return entry.held;
  throw wrongKind(key);
};

/** Two owners use one key: a fault of the program, and the key may carry an id, so it stays out of the message. */
const wrongKind = (key: string): CaasError =>
  new CaasError('INTERNAL', 'internal error', { cause: new TypeError(`key ${key} holds the other kind of value`) });
