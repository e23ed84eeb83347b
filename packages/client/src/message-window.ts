import type { Effect } from './conversation-state.ts';
import { emptyDigest, nextDigest } from './digest.ts';
import type { Head, Message } from './wire/resources.ts';

/** What became of messages taken from a delta. */
export type Taken = 'sound' | 'diverged' | 'overflow';

/** Messages of a delta that wait for earlier ones may number this many windows. */
const maxStagedWindows = 4;
/** Ids of messages that left the window last, by which repeated records of them are told. */
const maxPast = 256;

/**
 * The messages of a conversation: committed ones startSeq+1 … lastSeq without gaps, with the digest at both ends, then
 * accepted ones by position. Nothing is ever at seq n+1 before seq n.
 */
export class MessageWindow {
  /** Seq before the first message kept. */
  startSeq = 0;
  /** Digest at startSeq. */
  startDigest: string = emptyDigest;
  /** Digest at lastSeq. */
  digest: string = emptyDigest;
  /** Position up to which acceptance is decided. */
  lastPosition = 0;
  /** Accepted, not committed, by message id. */
  readonly pending: Map<string, Message> = new Map();
  /** Greatest seq the application was told of; undefined until the first load. */
  announcedSeq: number | undefined;
  readonly #committed: Message[] = [];
  readonly #seqOf = new Map<string, number>();
  readonly #staged = new Map<number, Message>();
  readonly #hidden = new Set<string>();
  readonly #past = new Set<string>();
  readonly #maxMessages: number;

  constructor(maxMessages: number) {
    this.#maxMessages = maxMessages;
  }

  /** Seq of the last committed message. */
  get lastSeq(): number {
    return this.startSeq + this.#committed.length;
  }

  /** Committed messages, hidden ones included, ascending by seq. */
  get committed(): readonly Message[] {
    return this.#committed;
  }

  get(messageId: string): Message | undefined {
    const seq = this.#seqOf.get(messageId);
    return seq === undefined ? undefined : this.at(seq);
  }

  at(seq: number): Message | undefined {
    return this.#committed[seq - this.startSeq - 1];
  }

  /** Whether a message, not in the window, was in it or decided not long ago. */
  isPast(messageId: string): boolean {
    return this.#past.has(messageId);
  }

  isHidden(messageId: string): boolean {
    return this.#hidden.has(messageId);
  }

  /** Accepted, not committed messages up to a position, in order. */
  pendingUpTo(position: number): Message[] {
    const due: Message[] = [];
    for (const message of this.pending.values()) if (message.position <= position) due.push(message);
    return due.sort((a, b) => a.position - b.position);
  }

  replace(message: Message): void {
    const seq = this.#seqOf.get(message.messageId);
    if (seq !== undefined)
      this.#committed[seq - this.startSeq - 1] = message.seq === seq ? message : { ...message, seq };
  }

  /** True when the message was not hidden before. */
  hide(messageId: string): boolean {
    if (this.#hidden.has(messageId)) return false;
    this.#hidden.add(messageId);
    if (this.#hidden.size > 2 * this.#maxMessages) {
      const oldest = this.#hidden.values().next().value;
      if (oldest !== undefined) this.#hidden.delete(oldest);
    }
    return true;
  }

  /**
   * Commits the pending messages a head tells of, when the digest over them proves that they are all there is. False:
   * something is missing or in excess.
   */
  promote(head: Head, effects: Effect[]): boolean {
    if (head.lastSeq < this.lastSeq) return true;
    const due = this.pendingUpTo(head.lastPosition);
    if (this.lastSeq + due.length !== head.lastSeq) return false;
    const digests: string[] = [];
    let digest = this.digest;
    for (const message of due) {
      digest = nextDigest(digest, message.messageId);
      digests.push(digest);
    }
    if (digest !== head.digest) return false;
    due.forEach((message, i) => {
      this.#append({ ...message, seq: this.lastSeq + 1 }, digests[i] as string, effects);
    });
    return true;
  }

  /** Empties the committed part, to be filled from a seq on. True when there was something. */
  restart(startSeq: number, startDigest: string): boolean {
    const had = this.#committed.length > 0;
    for (const { messageId } of this.#committed.slice(-maxPast)) this.#leave(messageId);
    this.#committed.length = 0;
    this.#seqOf.clear();
    this.#staged.clear();
    this.startSeq = startSeq;
    this.startDigest = startDigest;
    this.digest = startDigest;
    this.lastPosition = 0;
    return had;
  }

  /**
   * Takes messages of a delta, which come by rev: a message changed lately may come after its successors, which then
   * wait. `ownRev` is the revision up to which changes are known.
   */
  take(messages: readonly Message[], ownRev: number, effects: Effect[]): Taken {
    for (const message of messages) {
      if (message.seq <= 0) continue;
      if (message.seq > this.lastSeq) {
        this.#staged.set(message.seq, message);
        continue;
      }
      const known = this.at(message.seq);
      if (!known) {
        if (message.rev > ownRev) effects.push({ type: 'changed', message });
        continue;
      }
      if (known.messageId !== message.messageId) return 'diverged';
      if (message.rev <= known.rev) continue;
      this.replace(message);
      if (differs(known, message)) effects.push({ type: 'changed', message });
    }
    for (let next = this.#staged.get(this.lastSeq + 1); next; next = this.#staged.get(this.lastSeq + 1)) {
      this.#staged.delete(next.seq);
      this.#append(next, nextDigest(this.digest, next.messageId), effects);
    }
    for (const seq of this.#staged.keys()) if (seq <= this.lastSeq) this.#staged.delete(seq);
    return this.#staged.size > maxStagedWindows * this.#maxMessages ? 'overflow' : 'sound';
  }

  /** Whether the messages here are those of a head, or begin with them. */
  agreesWith(head: Head): boolean {
    if (head.lastSeq > this.lastSeq) return false;
    if (head.lastSeq === this.lastSeq) return head.digest === this.digest;
    if (head.lastSeq < this.startSeq) return true;
    let digest = this.startDigest;
    for (let seq = this.startSeq + 1; seq <= head.lastSeq; seq++) {
      digest = nextDigest(digest, (this.at(seq) as Message).messageId);
    }
    return digest === head.digest;
  }

  /**
   * After a complete delta: what was accepted up to its head and is not committed never will be. Returns those of which
   * that is certain; one from before the window may be committed there.
   */
  settle(head: Head): Message[] {
    this.#staged.clear();
    return this.decide(Math.max(head.lastPosition, head.decidedPosition)).refused;
  }

  /**
   * What was accepted up to a position and is not committed, while all that is committed up to there is here, never will
   * be, or is a repetition of what is committed.
   */
  decide(position: number): { dropped: number; refused: Message[] } {
    this.lastPosition = Math.max(this.lastPosition, position);
    const decided = this.pendingUpTo(position);
    const refused = decided.filter((message) => this.isRefused(message));
    for (const { messageId } of decided) {
      this.pending.delete(messageId);
      this.#leave(messageId);
    }
    return { dropped: decided.length, refused };
  }

  /** Whether it is certain that an accepted message is decided and was not committed. */
  isRefused({ messageId, position }: Message): boolean {
    if (position > this.lastPosition || this.#seqOf.has(messageId) || this.#past.has(messageId)) return false;
    const first = this.#committed[0];
    return this.startSeq === 0 || (first !== undefined && position > first.position);
  }

  #leave(messageId: string): void {
    this.#past.add(messageId);
    if (this.#past.size > maxPast) this.#past.delete(this.#past.values().next().value as string);
  }

  #append(committed: Message, digest: string, effects: Effect[]): void {
    const before = this.pending.get(committed.messageId);
    const { seq, position } = committed;
    // A change may have come before a delta that was read before it.
    const message = before && before.rev > committed.rev ? { ...before, seq, position } : committed;
    this.pending.delete(message.messageId);
    this.#committed.push(message);
    this.#seqOf.set(message.messageId, message.seq);
    this.digest = digest;
    this.lastPosition = Math.max(this.lastPosition, message.position);
    if (this.announcedSeq !== undefined && message.seq > this.announcedSeq) {
      this.announcedSeq = message.seq;
      if (!before) effects.push({ type: 'message', message });
      effects.push({ type: 'committed', message });
    }
    if (this.#committed.length > this.#maxMessages) this.#trim();
  }

  #trim(): void {
    const oldest = this.#committed.shift();
    if (!oldest) return;
    this.startSeq++;
    this.startDigest = nextDigest(this.startDigest, oldest.messageId);
    this.#seqOf.delete(oldest.messageId);
    this.#hidden.delete(oldest.messageId);
    this.#leave(oldest.messageId);
  }
}

/** Whether readers would see a difference. */
export const differs = (a: Message, b: Message): boolean =>
  a.editedAtMs !== b.editedAtMs ||
  a.deletedAtMs !== b.deletedAtMs ||
  a.pinnedAtMs !== b.pinnedAtMs ||
  JSON.stringify([a.content, a.reactions]) !== JSON.stringify([b.content, b.reactions]);
