import { nextDigest } from './digest.ts';
import type { MessageWindow } from './message-window.ts';
import type { ConversationEntry, Head, Message } from './wire/resources.ts';

/** Accepted, not yet committed messages kept of a conversation; what exceeds it the next head shows to be missing. */
const maxPending = 1_000;
/** Unread messages known by id; older ones are known by their number only. */
const maxKnown = 500;
/** Ids of messages committed last, by which repeated records of them are told. */
const maxRecent = 64;

/** What an open conversation knows. */
export interface Known {
  readonly ready: boolean;
  readonly rev: number;
  /** Every change after this revision was told. */
  readonly sinceRev: number;
  readonly window: MessageWindow;
}

/**
 * Counts the unread messages of one conversation: those after one's own read seq that are neither one's own nor
 * tombstones, accepted ones included. Starts from a count the node made and follows the heads: a count is exact when the
 * messages seen since give the digest of the newest head and no head between is missing. Else it is in doubt, and only
 * an open conversation or the node can tell.
 */
export class UnreadTally {
  /** Revision the count is of. */
  #rev = 0;
  #lastSeq = 0;
  #lastPosition = 0;
  /** Position up to which sends are decided, for who is at a revision. */
  #decided = { rev: 0, position: 0 };
  #digest = '';
  #readSeq = 0;
  /** Seq before the first message the user may read. */
  #hiddenSeq = 0;
  /** Unread messages up to `#bulkSeq`; which they are is not known. */
  #bulk = 0;
  #bulkSeq = 0;
  /** Unread messages after `#bulkSeq`: seqs by message id, ascending. */
  readonly #known = new Map<string, number>();
  readonly #pending = new Map<string, { position: number; counts: boolean }>();
  readonly #recent = new Set<string>();
  /** Newest head that is not followed yet. */
  #latest: Head | undefined;
  /** Heads are known without a gap from this revision to `#latest`. */
  #chainFrom = 0;
  /** An entry of at least this revision is needed; 0: none. */
  #wantedRev = 0;
  /** Greatest revision of a deletion or receipt that is counted in: older entries don't have it. */
  #touchedRev = 0;

  constructor(entry: ConversationEntry) {
    this.rebase(entry, entry.own);
  }

  get count(): number {
    let pending = 0;
    for (const { counts } of this.#pending.values()) if (counts) pending++;
    return this.#bulk + this.#known.size + pending;
  }

  /** True when something was missed that the count depends on. */
  get inDoubt(): boolean {
    return this.#latest !== undefined || this.#wantedRev > 0;
  }

  get rev(): number {
    return this.#rev;
  }

  isPending(messageId: string): boolean {
    return this.#pending.has(messageId);
  }

  /** The count can't be trusted until an entry of at least this revision is here. */
  doubt(rev: number): void {
    this.#wantedRev = Math.max(this.#wantedRev, rev, 1);
  }

  /** Begins anew from an entry, unless more is known already. `own` is the newest known of one's own participation. */
  rebase(entry: ConversationEntry, own: ConversationEntry['own']): void {
    const { head } = entry.conversation;
    const rev = head?.headRev ?? 0;
    if (rev < this.#rev) return;
    this.#moveTo(
      rev,
      head?.lastSeq ?? 0,
      Math.max(head?.lastPosition ?? 0, head?.decidedPosition ?? 0),
      head?.digest ?? '',
    );
    this.#known.clear();
    this.#bulk = entry.unreadCount;
    this.#bulkSeq = this.#lastSeq;
    this.#readSeq = entry.own.readSeq;
    this.#hiddenSeq = Math.max(0, own.visibleFromSeq - 1);
    if (this.#touchedRev > rev) this.doubt(this.#touchedRev);
    if (this.#wantedRev <= rev || this.#wantedRev === 1) this.#wantedRev = 0;
    this.read(own.readSeq, own.rev);
    this.#follow();
  }

  /** Takes over what an open conversation knows. False when that does not tell either: its window begins too late,
   * or it was loaded after something happened to messages before it. */
  adopt({ ready, rev, sinceRev, window }: Known, isOwn: (message: Message) => boolean): boolean {
    if (!ready || rev < this.#rev || rev < this.#wantedRev) return false;
    const whole = window.startSeq <= Math.max(this.#readSeq, this.#hiddenSeq);
    const continues = sinceRev <= this.#rev && window.startSeq <= this.#lastSeq && this.#wantedRev === 0;
    if (!whole && !continues) return false;
    if (whole) {
      this.#known.clear();
      this.#bulk = 0;
      this.#bulkSeq = window.startSeq;
      this.#wantedRev = 0;
    }
    const from = whole ? window.startSeq : this.#lastSeq;
    for (const message of window.committed.slice(from - window.startSeq)) {
      this.#committed(message.messageId, message.seq, !isOwn(message) && message.deletedAtMs === 0);
    }
    this.#moveTo(rev, window.lastSeq, window.lastPosition, window.digest);
    this.#follow();
    return true;
  }

  /** A message was accepted. False: it, or a record of it, was known. */
  arrived(message: Message, isOwn: boolean): boolean {
    const { messageId, position } = message;
    if (position <= this.#lastPosition || this.#recent.has(messageId) || this.#known.has(messageId)) return false;
    const pending = this.#pending.get(messageId);
    if (pending) {
      pending.position = Math.min(pending.position, position);
    } else {
      if (this.#pending.size >= maxPending) return false;
      this.#pending.set(messageId, { position, counts: !isOwn });
    }
    this.#follow();
    return !pending;
  }

  /** An accepted message was refused after all. */
  rejected(messageId: string, position: number): void {
    if (this.#pending.get(messageId)?.position !== position) return;
    this.#pending.delete(messageId);
    this.#follow();
  }

  /** A message became a tombstone. */
  deleted(message: Message, isOwn: boolean): void {
    const { messageId, seq, rev } = message;
    if (rev <= this.#rev) return;
    this.#touchedRev = Math.max(this.#touchedRev, rev);
    const pending = this.#pending.get(messageId);
    if (pending) pending.counts = false;
    else if (this.#known.delete(messageId) || isOwn) return;
    // Whether it was among those known by number only, the node must tell.
    else if (seq > Math.max(this.#readSeq, this.#hiddenSeq) && seq <= this.#bulkSeq && this.#bulk > 0) this.doubt(rev);
  }

  /** The user has read up to a seq. */
  read(readSeq: number, rev: number): void {
    if (readSeq <= this.#readSeq) return;
    this.#readSeq = readSeq;
    this.#touchedRev = Math.max(this.#touchedRev, rev);
    for (const [messageId, seq] of this.#known) {
      if (seq > readSeq) break;
      this.#known.delete(messageId);
    }
    if (readSeq >= this.#bulkSeq) {
      this.#bulk = 0;
      this.#bulkSeq = Math.min(readSeq, this.#lastSeq);
    } else if (this.#bulk > 0) this.doubt(rev);
  }

  /** The conversation was committed up to a head. */
  headMoved(head: Head): void {
    const before = this.#latest?.headRev ?? this.#rev;
    if (head.decidedPosition > this.#decided.position)
      this.#decided = { rev: head.headRev, position: head.decidedPosition };
    if (head.headRev <= before) {
      this.#dropDecided();
      return;
    }
    if (head.prevHeadRev !== before) {
      // A head that does not follow from any other needs an entry as new as itself.
      this.#chainFrom = head.prevHeadRev > before ? head.prevHeadRev : head.headRev;
    } else if (!this.#latest) this.#chainFrom = this.#rev;
    this.#latest = head;
    this.#follow();
  }

  /** Commits the accepted messages the newest head tells of, when the digest proves that they are all there is. */
  #follow(): void {
    const head = this.#latest;
    if (!head || this.#chainFrom > this.#rev) return;
    const due = [...this.#pending].filter(([, { position }]) => position <= head.lastPosition);
    if (this.#lastSeq + due.length !== head.lastSeq) return;
    due.sort(([, a], [, b]) => a.position - b.position);
    if (due.reduce((digest, [messageId]) => nextDigest(digest, messageId), this.#digest) !== head.digest) return;
    due.forEach(([messageId, { counts }], i) => {
      this.#committed(messageId, this.#lastSeq + i + 1, counts);
    });
    this.#moveTo(head.headRev, head.lastSeq, head.lastPosition, head.digest);
  }

  #committed(messageId: string, seq: number, counts: boolean): void {
    this.#pending.delete(messageId);
    this.#recent.add(messageId);
    if (this.#recent.size > maxRecent) this.#recent.delete(this.#recent.values().next().value as string);
    if (!counts || seq <= this.#readSeq || seq <= this.#hiddenSeq) return;
    this.#known.set(messageId, seq);
    if (this.#known.size <= maxKnown) return;
    const [oldest, oldestSeq] = this.#known.entries().next().value as [string, number];
    this.#known.delete(oldest);
    this.#bulk++;
    this.#bulkSeq = oldestSeq;
  }

  #moveTo(rev: number, lastSeq: number, lastPosition: number, digest: string): void {
    this.#rev = rev;
    this.#lastSeq = lastSeq;
    this.#lastPosition = lastPosition;
    this.#digest = digest;
    this.#dropDecided();
    if (this.#latest && this.#latest.headRev <= rev) this.#latest = undefined;
  }

  /**
   * What was accepted up to there and is not committed never will be. What a later position decides was taken for new till
   * now, so a deletion of the message it repeats was not counted, and it may stand as the last message: the node knows.
   */
  #dropDecided(): void {
    const { rev, position } = this.#decided;
    const decided = this.#rev >= rev ? position : 0;
    for (const [messageId, pending] of this.#pending) {
      if (pending.position > Math.max(this.#lastPosition, decided)) continue;
      this.#pending.delete(messageId);
      if (pending.position > this.#lastPosition) this.doubt(0);
    }
    this.#lastPosition = Math.max(this.#lastPosition, decided);
  }
}
