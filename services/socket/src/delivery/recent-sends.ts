import { CaasError } from '@caas/kit';

/** What became of a send: the same for every retry of it. */
export interface SendOutcome {
  position: number;
  acceptedAtMs: number;
}

interface Entry {
  conversationId: string;
  hash: string;
  outcome: Promise<SendOutcome>;
  /** When it began, by the clock of this process. */
  atMs: number;
}

/** How long a send that is not committed may be under way, ms; past it something else keeps it. */
const freshMs = 10_000;

/**
 * Sends of this node by message id, so that a retry gets the same answer and other content under the same id is
 * refused, both without asking anyone. Bounded: the oldest go first, and the store and the worker know the rest.
 */
export class RecentSends {
  /** Two generations: deleting the oldest of one large Map one by one costs more than all the rest of a send. */
  #entries = new Map<string, Entry>();
  #older = new Map<string, Entry>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size + this.#older.size;
  }

  /** The outcome of an earlier send of this id, or undefined. Throws IDEMPOTENCY_CONFLICT for other content. */
  find(messageId: string, contentHash: Uint8Array): Promise<SendOutcome> | undefined {
    const entry = this.#entries.get(messageId) ?? this.#older.get(messageId);
    if (!entry) return undefined;
    assertSameContent(entry.hash, contentHash);
    return entry.outcome;
  }

  /** Whether a send of this id to this conversation began here a moment ago: what the store lacks yet it may have soon. */
  isFresh(conversationId: string, messageId: string): boolean {
    const entry = this.#entries.get(messageId);
    return entry?.conversationId === conversationId && performance.now() - entry.atMs < freshMs;
  }

  /**
   * The record of this id at `position` was rejected: an answer that named it holds no more, and the store knows what was
   * kept. An answer that named another record of the id stands.
   */
  forget(messageId: string, position: number): void {
    const entry = this.#entries.get(messageId) ?? this.#older.get(messageId);
    entry?.outcome.then(
      (outcome) => {
        if (outcome.position === position) this.#delete(messageId, entry);
      },
      () => undefined, // not kept, and forgotten already
    );
  }

  /** Remembers a send that begins; a failed one is forgotten, so that a retry begins anew. */
  add(conversationId: string, messageId: string, contentHash: Uint8Array, outcome: Promise<SendOutcome>): void {
    const entry = { conversationId, hash: textOf(contentHash), outcome, atMs: performance.now() };
    this.#entries.set(messageId, entry);
    outcome.catch(() => this.#delete(messageId, entry));
    if (this.#entries.size >= this.#max / 2) {
      this.#older = this.#entries;
      this.#entries = new Map();
    }
  }

  #delete(messageId: string, entry: Entry): void {
    for (const entries of [this.#entries, this.#older]) if (entries.get(messageId) === entry) entries.delete(messageId);
  }
}

const textOf = (hash: Uint8Array): string =>
  Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString('latin1');

/** Throws IDEMPOTENCY_CONFLICT unless both hashes are of the same content. */
export const assertSameContent = (known: string | Uint8Array, contentHash: Uint8Array): void => {
  if ((typeof known === 'string' ? known : textOf(known)) !== textOf(contentHash)) {
    throw new CaasError('IDEMPOTENCY_CONFLICT', 'this client_msg_id was used for other content', {
      details: { field: 'client_msg_id' },
    });
  }
};
