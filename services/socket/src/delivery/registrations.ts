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
import { SetChanges } from './set-changes.ts';

/** Registrations live this long without renewal, ms. */
const registrationTtlMs = 300_000;
/** All registrations are renewed within this time, ms. */
const renewalMs = 100_000;
/** How often the node looks whether its registrations were lost, ms. */
const watchMs = 1_000;
/** The canary also tells others that this node lives; it expires after this time, ms, and is renewed at a third of it. */
const canaryTtlMs = 15_000;
/** Registrations renewed in one call. */
const maxChunk = 500;

/** Live iterations: who is gone when its turn comes is left out. */
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
  readonly #changes: SetChanges;
  readonly nodeId: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #source: RegistrationSource;
  readonly #onLost: () => void;
  /** Tells what this start of the node registered from what an earlier one left behind; the canary's value. */
  readonly startId: string = newId();
  readonly #member: string;
  #canarySet = false;
  /** Start that the canary named before it named this one; empty: none did. */
  #predecessor: string | undefined;
  #superseded = false;
  #canaryAtMs = 0;
  #renewedAtMs: number;
  /** Keys of users whose presence is watched here. */
  readonly #watches = new Set<string>();

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
    this.#changes = new SetChanges(keyValue, registrationTtlMs);
    this.nodeId = nodeId;
    this.#member = startMember(this);
    this.#source = source;
    this.#clock = clock;
    this.#logger = logger;
    this.#onLost = onLost;
    this.#renewedAtMs = clock.now();
  }

  /** True from when another start of this node id was seen that is later: others hear that one's registrations only. */
  get superseded(): boolean {
    return this.#superseded;
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
    if (this.#superseded) return;
    try {
      const lives = await this.#livingStart();
      // The one before this one, if it lives after all, has yet to see that it is not the last.
      this.#predecessor ??= lives ?? '';
      const overwritten = this.#canarySet && lives !== undefined && lives !== this.startId;
      if (overwritten && lives !== this.#predecessor) return this.#yieldTo(lives);
      const lost = this.#canarySet && lives === undefined;
      const now = this.#clock.now();
      if (lost || now - this.#renewedAtMs >= renewalMs) await this.#registerAll();
      if (lost || overwritten || now - this.#canaryAtMs >= canaryTtlMs / 3) {
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

  async #livingStart(): Promise<string | undefined> {
    const canary = await this.#keyValue.get(nodeKey(this.nodeId));
    return canary && Buffer.from(canary).toString();
  }

  /** For good: of two that have one id it can't be known later which is right. */
  #yieldTo(startId: string): void {
    this.#superseded = true;
    this.#logger.error(
      { nodeId: this.nodeId, startId: this.startId, supersededBy: startId },
      'another node was started under this node id and goes on in its place; this one takes no clients any more',
    );
  }

  /** Each chunk is taken when the one before it is there, from live lists: who left meanwhile is in none of them. */
  async #registerAll(): Promise<void> {
    // First: what fails from here on makes it due again.
    this.#renewedAtMs = this.#clock.now();
    const all = this.#all();
    try {
      for (let chunk = firstOf(all, maxChunk); chunk.length > 0; chunk = firstOf(all, maxChunk))
        await this.#changes.add(chunk);
    } catch (error) {
      this.#renewedAtMs = 0;
      throw error;
    }
  }

  *#all(): Generator<SetEntry> {
    for (const { interestKey } of this.#source.conversations()) yield { key: interestKey, member: this.#member };
    for (const { tenantId, userId, connections } of this.#source.users()) {
      yield { key: userNodesKey(tenantId, userId), member: this.#member };
      for (const connection of connections) yield this.#entryOf(connection);
    }
    for (const key of this.#watches) yield { key, member: this.#member };
  }

  #entryOf({ claims, id }: Connection): SetEntry {
    return { key: userConnectionsKey(claims.tenantId, claims.userId), member: startMember(this, String(id)) };
  }

  async #add(entry: SetEntry): Promise<void> {
    try {
      await this.#changes.add([entry]);
    } catch (error) {
      this.#renewedAtMs = 0; // due at the next watch
      this.#logger.debug({ err: error }, 'registration failed, made up for later');
    }
  }

  #remove(entries: readonly SetEntry[]): void {
    this.#changes
      .remove(entries)
      .catch((error: unknown) => this.#logger.debug({ err: error }, 'a registration was left to expire'));
  }
}

/** The next `count` of them, or what is left. */
const firstOf = <T>(all: Iterator<T>, count: number): T[] => {
  const chunk: T[] = [];
  while (chunk.length < count) {
    const { done, value } = all.next();
    if (done) break;
    chunk.push(value);
  }
  return chunk;
};
