import { setTimeout as sleep } from 'node:timers/promises';
import { type KeyValue, userJoinsKey } from '@caas/key-value';
import { CaasError, inChunks, type Logger, newId, toCaasError } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';

/** Users who are further from their limit claim no place: so many changes of one user are not under way at once. */
const claimMargin = 1_000;
/** Times a place is claimed while others claim the last ones as well. */
const maxAttempts = 10;
/** Longest wait before the second attempt, ms; it doubles, up to the cap. */
const baseWaitMs = 10;
const capWaitMs = 320;
const usersPerCall = 500;

type Participants = Pick<MessageStore['participants'], 'countActive'>;

/** Places kept for users who are about to become members. */
interface Claim {
  readonly id: string;
  readonly keys: readonly string[];
}

interface Joining {
  tenantId: string;
  userIds: readonly string[];
  /** Most conversations of a user. */
  max: number;
}

/**
 * Holds users to their number of conversations, over all nodes: a conversation's log orders its own changes and no other's, so
 * it is here that places are kept from the check until the commit. Each is claimed first and counted after, as connections
 * are; of several that find one another too many each goes back, and comes again in its own time. Without the shared store
 * a node counts its own claims.
 */
export class JoinClaims {
  readonly #keyValue: KeyValue;
  readonly #participants: Participants;
  readonly #ttlMs: number;
  readonly #logger: Logger;
  /** Claims of this node. */
  readonly #own = new Map<string, Set<string>>();

  /** `ttlMs`: how long a claim counts whose change may still be committed; a node that crashed releases none. */
  constructor(keyValue: KeyValue, participants: Participants, ttlMs: number, logger: Logger) {
    this.#keyValue = keyValue;
    this.#participants = participants;
    this.#ttlMs = ttlMs;
    this.#logger = logger;
  }

  /**
   * Runs the change that makes the users members, and resolves when it is committed and counted. Throws LIMIT_EXCEEDED naming
   * the first user who is in as many conversations as one may be, OVERLOADED while others hold the last places.
   */
  async whileClaimed(joining: Joining, change: () => Promise<unknown>): Promise<void> {
    const { tenantId, max } = joining;
    const counts = await this.#counts(joining);
    const userIds = joining.userIds.filter((_, at) => (counts[at] ?? 0) + claimMargin > max);
    if (userIds.length === 0) {
      await change();
      return;
    }
    const claim: Claim = { id: newId(), keys: userIds.map((userId) => userJoinsKey(tenantId, userId)) };
    await this.#claim({ tenantId, userIds, max }, claim);
    try {
      await change();
    } catch (error) {
      // The log may have it all the same.
      setTimeout(() => void this.#release(claim), this.#ttlMs).unref();
      throw error;
    }
    await this.#release(claim);
  }

  async #claim(joining: Joining, claim: Claim): Promise<void> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      if (attempt > 0) await sleep(Math.random() * Math.min(capWaitMs, baseWaitMs * 2 ** attempt));
      if (await this.#isCrowded(joining, claim, 1)) continue;
      await this.#add(claim);
      try {
        if (!(await this.#isCrowded(joining, claim, 0))) return;
      } catch (error) {
        await this.#release(claim);
        throw error;
      }
      await this.#release(claim);
    }
    throw new CaasError('OVERLOADED', 'others take the last places of a user just now', {
      details: { limit: 'maxConversations', value: String(joining.max), unit: 'conversations' },
    });
  }

  /**
   * Whether a user's conversations, claims and `more` are past the limit. Claims are read first: what is committed meanwhile
   * is in both, and never in neither.
   */
  async #isCrowded(joining: Joining, { keys }: Claim, more: number): Promise<boolean> {
    const claims = await this.#claims(keys);
    const counts = await this.#counts(joining);
    const full = joining.userIds.find((_, at) => (counts[at] ?? 0) >= joining.max);
    if (full !== undefined) throw tooManyConversations(joining.max, full);
    return keys.some((_, at) => (counts[at] ?? 0) + (claims[at] ?? 0) + more > joining.max);
  }

  #counts({ tenantId, userIds }: Joining): Promise<number[]> {
    return inChunks(userIds, usersPerCall, (chunk) => this.#participants.countActive(tenantId, chunk));
  }

  async #claims(keys: readonly string[]): Promise<number[]> {
    const shared = await this.#shared(() => this.#keyValue.membersOf(keys));
    return keys.map((key, at) => new Set([...(shared?.[at] ?? []), ...(this.#own.get(key) ?? [])]).size);
  }

  async #add({ id, keys }: Claim): Promise<void> {
    for (const key of keys) this.#own.set(key, (this.#own.get(key) ?? new Set()).add(id));
    await this.#shared(() => this.#keyValue.addToSets(entriesOf(keys, id), this.#ttlMs));
  }

  async #release({ id, keys }: Claim): Promise<void> {
    for (const key of keys) {
      const own = this.#own.get(key);
      own?.delete(id);
      if (own?.size === 0) this.#own.delete(key);
    }
    await this.#shared(() => this.#keyValue.removeFromSets(entriesOf(keys, id)));
  }

  async #shared<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
      return await ask();
    } catch (thrown) {
      if (!toCaasError(thrown).retryable) throw thrown;
      this.#logger.debug({ err: thrown }, 'claims of other nodes are not counted');
      return undefined;
    }
  }
}

const entriesOf = (keys: readonly string[], member: string) => keys.map((key) => ({ key, member }));

const tooManyConversations = (max: number, userId: string): CaasError =>
  new CaasError('LIMIT_EXCEEDED', 'the user is in too many conversations', {
    details: { limit: 'maxConversations', value: String(max), unit: 'conversations', user_id: userId },
  });
