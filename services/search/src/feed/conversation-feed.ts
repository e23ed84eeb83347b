import { type ConversationKey, created, type MessageStore } from '@caas/message-store';
import type { PlainContent } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument, MessageDocument } from '@caas/proto/caas/events/v1/documents';
import type { IndexDocument, SearchIndex } from '@caas/search-index';
import type { ContentReader } from '../content-reader.ts';
import { bytesPerRead, changesPerRead, conversationsAtOnce, readsPerTurn } from '../limits.ts';
import type { Erasures } from './erasures.ts';
import type { Trigger } from './triggers.ts';

export interface FeedPorts {
  store: MessageStore;
  index: SearchIndex;
  open: ContentReader;
  erasures: Pick<Erasures, 'followed' | 'purgeLate'>;
}

/** What became of a conversation: the index has it up to its head, has not all of it yet, or its head is not there yet. */
export type Fed = 'done' | 'more' | 'awaited' | 'nowhere';

/**
 * A message as the index takes it. A change that is written and not committed may already be in the document; it is a version
 * of the head's revision then, so that the committed one comes after it, whatever its number.
 */
export const indexDocument = (
  { tenantId, conversationId, messageId, senderId, seq, acceptedAtMs, rev, deletedAtMs, traceId }: MessageDocument,
  content: PlainContent | undefined,
  headRev: number,
): IndexDocument => ({
  tenantId,
  conversationId,
  messageId,
  senderId,
  seq,
  acceptedAtMs,
  version: Math.min(rev, headRev),
  traceId,
  hasAttachment: deletedAtMs === 0 && content !== undefined && content.attachments.length > 0,
  content:
    deletedAtMs > 0 || content === undefined
      ? undefined
      : { text: content.text, names: content.attachments.map(({ name }) => name) },
});

const reached = ({ offsets: applied }: ConversationDocument, { offsets }: Trigger): boolean =>
  Object.entries(offsets).every(([name, offset]) => (applied[name] ?? -1) >= offset);

/**
 * Brings the index up to where conversations stand in the store, from the revision up to which it has them. So it does not
 * matter what told of a change, how often, or in which order: the index gets what is committed.
 */
export class ConversationFeed {
  readonly #ports: FeedPorts;
  /** Messages given to the index. */
  messages = 0;

  constructor(ports: FeedPorts) {
    this.#ports = ports;
  }

  /** What became of each, in their order. */
  async feed(triggers: readonly Trigger[]): Promise<Fed[]> {
    const { store, index } = this.#ports;
    const fed: Fed[] = [];
    const pageSize = 500;
    for (let i = 0; i < triggers.length; i += pageSize) {
      const page = triggers.slice(i, i + pageSize);
      // Progress first: a head read after it has at least what it says.
      const revs = await index.progress(page);
      const heads = await store.conversations.getMany(page);
      for (let j = 0; j < page.length; j += conversationsAtOnce) {
        const some = page.slice(j, j + conversationsAtOnce).map(async (trigger, k): Promise<Fed> => {
          const head = heads[j + k];
          if (!created(head)) return 'nowhere';
          if (!reached(head, trigger)) return 'awaited';
          return this.bring(head, revs[j + k] as number, readsPerTurn);
        });
        fed.push(...(await Promise.all(some)));
      }
    }
    return fed;
  }

  /** Gives the index what changed in a conversation after a revision, in at most so many reads. */
  async bring(head: ConversationDocument, fromRev: number, reads = Number.POSITIVE_INFINITY): Promise<'done' | 'more'> {
    return this.#bring(head, fromRev, reads, false);
  }

  /** Gives the index all of a conversation, whether it has it or not. */
  async rewrite(head: ConversationDocument, signal: AbortSignal): Promise<void> {
    await this.#bring(head, 0, Number.POSITIVE_INFINITY, true, signal);
  }

  async #bring(
    head: ConversationDocument,
    fromRev: number,
    reads: number,
    rewrite: boolean,
    signal?: AbortSignal,
  ): Promise<'done' | 'more'> {
    const { store, index, open, erasures } = this.#ports;
    const { tenantId, conversationId, headRev, lastSeq } = head;
    const key: ConversationKey = { tenantId, conversationId };
    const extent = { limit: changesPerRead, maxBytes: bytesPerRead };
    let rev = fromRev;
    // Past the head there are changes that are not committed: they are read in one go, for their order may still change.
    for (let read = 0; rev < headRev ? read < reads : rev > headRev; read++) {
      signal?.throwIfAborted();
      const { documents, more } = await store.messages.changedSince(key, rev, lastSeq, extent);
      await erasures.followed();
      const contents = await open(documents);
      rev = more ? (documents.at(-1) as MessageDocument).rev : headRev;
      await index.apply({
        documents: documents.map((document, i) => indexDocument(document, contents[i], headRev)),
        progress: rev <= headRev ? [{ ...key, rev }] : [],
        rewrite,
      });
      await erasures.purgeLate(tenantId, new Set(documents.map(({ senderId }) => senderId)));
      this.messages += documents.length;
      if (!more) return 'done';
    }
    return rev < headRev ? 'more' : 'done';
  }
}
