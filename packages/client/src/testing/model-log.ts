import { emptyDigest, nextDigest } from '../digest.ts';
import { type ConversationDelta, replyKinds } from '../wire/frames.ts';
import { type Head, type Message, messageKind } from '../wire/resources.ts';

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
  #ids = 0;
  #log: { position: number; messageId: string }[] = [];
  readonly #pageSize: number;

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
  }

  /** Accepts a message, or (given an id) a second record of one. */
  append(messageId: string = `m${++this.#ids}`): Message {
    const record = { position: ++this.#position, messageId };
    this.#log.push(record);
    return aMessage(record);
  }

  /** Id of a message accepted before, chosen by a number. */
  accepted(choice: number): string | undefined {
    return this.#ids === 0 ? undefined : `m${1 + (choice % this.#ids)}`;
  }

  /** Commits up to `count` records; the head tells of it. */
  commit(count: number): Head | undefined {
    const prevHeadRev = this.rev;
    for (const { position, messageId } of this.#log.splice(0, count)) {
      if (this.messages.some((m) => m.messageId === messageId)) continue;
      const seq = this.messages.length + 1;
      this.messages.push(aMessage({ messageId, position, seq, rev: ++this.rev }));
      this.digest = nextDigest(this.digest, messageId);
    }
    return this.rev === prevHeadRev ? undefined : this.head(prevHeadRev);
  }

  /** Edits a committed message. */
  edit(choice: number): { message: Message; head: Head } | undefined {
    const index = choice % Math.max(1, this.messages.length);
    const old = this.messages[index];
    if (!old) return undefined;
    const prevHeadRev = this.rev;
    const message = { ...old, rev: ++this.rev, editedAtMs: this.rev };
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
    };
  }

  /** What a node answers to a sync. */
  delta(cursor: string): ConversationDelta {
    const since = Number(cursor || 0);
    const changed = this.messages.filter((m) => m.rev > since).sort((a, b) => a.rev - b.rev);
    const head = this.head(this.rev);
    if (cursor === '' && changed.length > this.#pageSize) {
      const messages = this.messages.slice(-this.#pageSize);
      const startSeq = (messages[0] as Message).seq - 1;
      const startDigest = this.messages.slice(0, startSeq).reduce((d, m) => nextDigest(d, m.messageId), emptyDigest);
      const limited = { conversationId: 'c1', startSeq, startDigest };
      const byRev = messages.sort((a, b) => a.rev - b.rev);
      return aDelta({ messages: byRev, head, cursor: String(this.rev), limited });
    }
    const messages = changed.slice(0, this.#pageSize);
    const more = changed.length > messages.length;
    return aDelta({ messages, head, more, cursor: String(more ? messages.at(-1)?.rev : this.rev) });
  }
}
