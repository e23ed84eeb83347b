import type { HistoryPage } from './wire/frames.ts';
import type { Message } from './wire/resources.ts';

/** Which messages to walk over, and how far. */
export interface HistoryOptions {
  /** Messages before this seq, newest first. Default: from the newest. */
  readonly beforeSeq?: number;
  /** Messages after this seq, oldest first. Excludes beforeSeq. */
  readonly afterSeq?: number;
  /** Messages asked for at a time, 1 to 200; default 100. */
  readonly pageSize?: number;
  /** Greatest number of messages in all; default: to the end. */
  readonly max?: number;
}

type Anchor = { beforeSeq?: number; afterSeq?: number; aroundSeq?: number; limit: number };
type ReadPage = (anchor: Anchor) => Promise<HistoryPage>;

/** Walks over committed messages page by page: oldest first after a seq, else newest first. Rejects as getHistory does. */
export async function* walkHistory(read: ReadPage, options: HistoryOptions): AsyncGenerator<Message, void, undefined> {
  const forward = options.afterSeq !== undefined;
  const limit = options.pageSize ?? 100;
  let left = options.max ?? Number.POSITIVE_INFINITY;
  let anchor = forward ? options.afterSeq : options.beforeSeq;
  while (left > 0) {
    const page = await read(anchorOf(forward, anchor, limit));
    for (const message of forward ? page.messages : [...page.messages].reverse()) {
      if (left-- <= 0) return;
      yield message;
    }
    if (!(forward ? page.moreAfter : page.moreBefore)) return;
    const last = forward ? page.messages.at(-1)?.seq : page.messages.at(0)?.seq;
    // A page is a run of seqs; one whose messages are all hidden from the user is stepped over.
    const from: number = anchor ?? (page.head?.lastSeq ?? 0) + 1;
    anchor = last ?? (forward ? from + limit : from - limit);
    if (!forward && anchor <= 1) return;
  }
}

/** On the wire 0 means no anchor; "around 1" begins at the first message that may be read. */
const anchorOf = (forward: boolean, seq: number | undefined, limit: number): Anchor => {
  if (seq === undefined) return { limit };
  if (!forward) return { beforeSeq: seq, limit };
  return seq <= 0 ? { aroundSeq: 1, limit } : { afterSeq: seq, limit };
};
