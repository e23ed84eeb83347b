import { emptyDigest, nextDigest } from '../digest.ts';
import { type ConversationDelta, replyKinds } from '../wire/frames.ts';
import {
  type ConversationEntry,
  conversationEntry,
  type Head,
  type Message,
  messageKind,
  type Participant,
} from '../wire/resources.ts';

/** A message with defaults, as an event tells of it. */
export const aMessage = (fields: Partial<Message>): Message => ({
  ...messageKind.read({}),
  conversationId: 'c1',
  ...fields,
});

/** A delta with defaults. */
export const aDelta = (fields: Partial<ConversationDelta>): ConversationDelta => ({
  ...(replyKinds.sync.read({ deltas: [{}] }).deltas[0] as ConversationDelta),
  conversationId: 'c1',
  ...fields,
});

/** One conversation as the contract describes it: a log, its committed documents, heads, and deltas by rev. */
export class ModelLog {
  /** Committed messages in order. */
  readonly messages: Message[] = [];
  rev = 0;
  digest = emptyDigest;
  #position = 0;
  /** Position of the last record committed or found to be none. */
  #decided = 0;
  #ids = 0;
  #own = { readSeq: 0, rev: 0 };
  readonly #senders = new Map<string, string>();
  #log: { position: number; messageId: string }[] = [];
  readonly #pageSize: number;

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
  }

  /** Accepts a message, or (given an id) a second record of one. */
  append(messageId: string = `m${++this.#ids}`, senderId = ''): Message {
    const record = { position: ++this.#position, messageId, senderId: this.#senders.get(messageId) ?? senderId };
    this.#senders.set(messageId, record.senderId);
    this.#log.push(record);
    return aMessage(record);
  }

  /** Id of a message accepted before, chosen by a number. */
  accepted(choice: number): string | undefined {
    return this.#ids === 0 ? undefined : `m${1 + (choice % this.#ids)}`;
  }

  /** Commits up to `count` records; the head tells of it, also where they are repetitions and move no revision. */
  commit(count: number): Head | undefined {
    const prevHeadRev = this.rev;
    const before = this.#decided;
    for (const { position, messageId } of this.#log.splice(0, count)) {
      this.#decided = position;
      if (this.messages.some((m) => m.messageId === messageId)) continue;
      const seq = this.messages.length + 1;
      const senderId = this.#senders.get(messageId) ?? '';
      this.messages.push(aMessage({ messageId, senderId, position, seq, rev: ++this.rev }));
      this.digest = nextDigest(this.digest, messageId);
    }
    return this.#decided === before ? undefined : this.head(this.rev === prevHeadRev ? 0 : prevHeadRev);
  }

  /** Edits a committed message. */
  edit(choice: number): { message: Message; head: Head } | undefined {
    return this.#change(choice, () => ({ editedAtMs: this.rev }));
  }

  /** Deletes a committed message for everyone. */
  remove(choice: number): { message: Message; head: Head } | undefined {
    return this.#change(choice, () => ({ deletedAtMs: this.rev }));
  }

  /** The user `me` reads up to a seq. */
  read(seq: number): { own: Participant; head: Head } {
    const prevHeadRev = this.rev;
    this.#own = { readSeq: Math.max(this.#own.readSeq, Math.min(seq, this.messages.length)), rev: ++this.rev };
    return { own: this.entry().own, head: this.head(prevHeadRev) };
  }

  /** Messages `me` has not read. */
  get unread(): number {
    const isUnread = (m: Message) => m.seq > this.#own.readSeq && m.senderId !== 'me' && m.deletedAtMs === 0;
    return this.messages.filter(isUnread).length;
  }

  /** The conversation in the list of `me`. */
  entry(): ConversationEntry {
    const own = {
      conversationId: 'c1',
      userId: 'me',
      state: 'PARTICIPANT_STATE_ACTIVE',
      visibleFromSeq: 1,
      ...this.#own,
    };
    const entry = conversationEntry.read({ conversation: { conversationId: 'c1' }, own, unreadCount: this.unread });
    return {
      ...entry,
      conversation: { ...entry.conversation, head: this.head(this.rev) },
      lastMessage: this.messages.at(-1),
    };
  }

  #change(choice: number, fields: () => Partial<Message>): { message: Message; head: Head } | undefined {
    const index = choice % Math.max(1, this.messages.length);
    const old = this.messages[index];
    if (!old) return undefined;
    const prevHeadRev = this.rev;
    const message = { ...old, rev: ++this.rev, ...fields() };
    this.messages[index] = message;
    return { message, head: this.head(prevHeadRev) };
  }

  head(prevHeadRev: number): Head {
    const last = this.messages.at(-1);
    return {
      conversationId: 'c1',
      prevHeadRev,
      headRev: this.rev,
      lastSeq: last?.seq ?? 0,
      lastPosition: last?.position ?? 0,
      digest: this.digest,
      decidedPosition: this.#decided > (last?.position ?? 0) ? this.#decided : 0,
    };
  }

  /** What a node answers to a sync. */
  delta(cursor: string): ConversationDelta {
    const since = Number(cursor || 0);
    const changed = this.messages.filter((m) => m.rev > since).sort((a, b) => a.rev - b.rev);
    const head = this.head(this.rev);
    const participants = this.#own.rev > since ? [this.entry().own] : [];
    if (cursor === '' && changed.length > this.#pageSize) {
      const messages = this.messages.slice(-this.#pageSize);
      const startSeq = (messages[0] as Message).seq - 1;
      const startDigest = this.messages.slice(0, startSeq).reduce((d, m) => nextDigest(d, m.messageId), emptyDigest);
      const limited = { conversationId: 'c1', startSeq, startDigest };
      const byRev = messages.sort((a, b) => a.rev - b.rev);
      return aDelta({ messages: byRev, participants, head, cursor: String(this.rev), limited });
    }
    const messages = changed.slice(0, this.#pageSize);
    const more = changed.length > messages.length;
    return aDelta({ messages, participants, head, more, cursor: String(more ? messages.at(-1)?.rev : this.rev) });
  }
}
