import {
  type KeyValue,
  nodeKey,
  type SetEntry,
  setCanary,
  startMember,
  userConnectionsKey,
  userNodesKey,
} from '@caas/key-value';
import { type Clock, type Logger, newId } from '@caas/kit';
import type { Connection } from '../edge/connection.ts';
import { pause } from '../pause.ts';
import type { LocalConversation, LocalUser } from './local.ts';

/** Registrations live this long without renewal, ms. */
const registrationTtlMs = 300_000;
/** All registrations are renewed within this time, ms. */
const renewalMs = 100_000;
/** How often the node looks whether its registrations were lost, ms. */
const watchMs = 1_000;
/** The canary also tells others that this node lives; it expires after this time, ms, and is renewed at a third of it. */
const canaryTtlMs = 15_000;
/** Sets changed in one call. */
const maxEntries = 500;
/** Additions under way; at it more are left to the next renewal, which is then due at once. */
const maxPendingAdditions = 100_000;

export interface RegistrationSource {
  conversations(): Iterable<LocalConversation>;
  users(): Iterable<LocalUser>;
}

/**
 * Tells the shared key-value store which conversations and users this node serves, so that others send it what
 * concerns them. All of it may vanish at any time: a canary key tells, and everything is registered anew.
 */
export class Registrations {
  readonly #keyValue: KeyValue;
  readonly nodeId: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #source: RegistrationSource;
  readonly #onLost: () => void;
  /** Tells what this start of the node registered from what an earlier one left behind; the canary's value. */
  readonly startId: string = newId();
  readonly #member: string;
  #canarySet = false;
  #canaryAtMs = 0;
  #renewedAtMs: number;
  /** Keys of users whose presence is watched here. */
  readonly #watches = new Set<string>();
  #adding: { entry: SetEntry; done: () => void }[] = [];
  #pendingAdditions = 0;

  /** `onLost` is called after registrations were found lost and have been made anew. */
  constructor(
    keyValue: KeyValue,
    nodeId: string,
    source: RegistrationSource,
    clock: Clock,
    logger: Logger,
    onLost: () => void,
  ) {
    this.#keyValue = keyValue;
    this.nodeId = nodeId;
    this.#member = startMember(this);
    this.#source = source;
    this.#clock = clock;
    this.#logger = logger;
    this.#onLost = onLost;
    this.#renewedAtMs = clock.now();
  }

  /** Resolves when the registration stands, or could not be made (then the canary brings it about later). */
  addConversation(conversation: LocalConversation): Promise<void> {
    return this.#add({ key: conversation.interestKey, member: this.#member });
  }

  addUser(user: LocalUser): Promise<void> {
    return this.#add({ key: userNodesKey(user.tenantId, user.userId), member: this.#member });
  }

  /** The connection counts among its user's, on whatever node they are. */
  addConnection(connection: Connection): Promise<void> {
    return this.#add(this.#entryOf(connection));
  }

  removeConnection(connection: Connection): void {
    this.#remove([this.#entryOf(connection)]);
  }

  /** The node is told when the user of a watchers' key comes or goes, until the watch is removed. */
  addWatch(key: string): Promise<void> {
    this.#watches.add(key);
    return this.#add({ key, member: this.#member });
  }

  removeWatches(keys: readonly string[]): void {
    for (const key of keys) this.#watches.delete(key);
    this.#remove(keys.map((key) => ({ key, member: this.#member })));
  }

  removeConversation(conversation: LocalConversation): void {
    this.#remove([{ key: conversation.interestKey, member: this.#member }]);
  }

  removeUser(user: LocalUser): void {
    this.#remove([{ key: userNodesKey(user.tenantId, user.userId), member: this.#member }]);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#watch();
      await pause(watchMs, signal);
    }
  }

  async #watch(): Promise<void> {
    const canary = nodeKey(this.nodeId);
    try {
      const lost = this.#canarySet && (await this.#keyValue.get(canary)) === undefined;
      const now = this.#clock.now();
      if (lost || now - this.#renewedAtMs >= renewalMs) await this.#registerAll();
      if (lost || now - this.#canaryAtMs >= canaryTtlMs / 3) {
        await setCanary(this.#keyValue, this, canaryTtlMs);
        this.#canaryAtMs = now;
      }
      this.#canarySet = true;
      if (lost) {
        this.#logger.warn({ nodeId: this.nodeId }, 'registrations were lost and have been made anew');
        this.#onLost();
      }
    } catch (error) {
      // Not reachable: what others did not send us meanwhile is found by comparing heads.
      this.#logger.warn({ err: error, nodeId: this.nodeId }, 'key-value store not reachable');
    }
  }

  async #registerAll(): Promise<void> {
    let entries: SetEntry[] = [];
    const put = async (entry: SetEntry): Promise<void> => {
      entries.push(entry);
      if (entries.length < maxEntries) return;
      const chunk = entries;
      entries = [];
      await this.#keyValue.addToSets(chunk, registrationTtlMs);
    };
    for (const c of [...this.#source.conversations()]) await put({ key: c.interestKey, member: this.#member });
    for (const u of [...this.#source.users()]) {
      await put({ key: userNodesKey(u.tenantId, u.userId), member: this.#member });
      for (const connection of [...u.connections]) await put(this.#entryOf(connection));
    }
    for (const key of [...this.#watches]) await put({ key, member: this.#member });
    if (entries.length > 0) await this.#keyValue.addToSets(entries, registrationTtlMs);
    this.#renewedAtMs = this.#clock.now();
  }

  #entryOf({ claims, id }: Connection): SetEntry {
    return { key: userConnectionsKey(claims.tenantId, claims.userId), member: startMember(this, String(id)) };
  }

  /** Additions of one turn go as one call. */
  #add(entry: SetEntry): Promise<void> {
    if (this.#pendingAdditions >= maxPendingAdditions) {
      this.#renewedAtMs = 0;
      return Promise.resolve();
    }
    this.#pendingAdditions++;
    return new Promise((done) => {
      if (this.#adding.push({ entry, done }) === 1) setImmediate(() => void this.#flushAdditions());
    });
  }

  async #flushAdditions(): Promise<void> {
    const adding = this.#adding;
    this.#adding = [];
    for (let i = 0; i < adding.length; i += maxEntries) {
      const chunk = adding.slice(i, i + maxEntries);
      try {
        await this.#keyValue.addToSets(
          chunk.map((a) => a.entry),
          registrationTtlMs,
        );
      } catch (error) {
        this.#renewedAtMs = 0; // due at the next watch
        this.#logger.warn({ err: error }, 'registration failed, made up for later');
      }
      this.#pendingAdditions -= chunk.length;
      for (const { done } of chunk) done();
    }
  }

  #remove(entries: readonly SetEntry[]): void {
    this.#keyValue
      .removeFromSets(entries)
      .catch((error: unknown) => this.#logger.debug({ err: error }, 'a registration was left to expire'));
  }
}
