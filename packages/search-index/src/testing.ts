import type { IndexDocument, IndexHit, IndexQuery, SearchIndex } from './port.ts';
import { parseQuery } from './text/query.ts';

let count = 0;
/** An id no other test uses, so that all tests can share one index. */
export const fresh = (kind: string): string => `${kind}-${process.pid}-${++count}`;

export type Said = Partial<Omit<IndexDocument, 'content'>> & { names?: readonly string[] };

/** A conversation of the tenant `t1` and what is said in it. */
export class Room {
  readonly tenantId: string;
  readonly conversationId = fresh('conversation');
  readonly #index: SearchIndex;
  #seq = 0;

  constructor(index: SearchIndex, tenantId = 't1') {
    this.#index = index;
    this.tenantId = tenantId;
  }

  document(text: string | undefined, { names = [], ...over }: Said = {}): IndexDocument {
    const seq = ++this.#seq;
    return {
      tenantId: this.tenantId,
      conversationId: this.conversationId,
      messageId: fresh('message'),
      senderId: 'alice',
      seq,
      version: seq,
      acceptedAtMs: 1_700_000_000_000 + seq * 1_000,
      hasAttachment: names.length > 0,
      traceId: '',
      content: text === undefined ? undefined : { text, names },
      ...over,
    };
  }

  async say(text: string, over: Said = {}): Promise<IndexDocument> {
    const document = this.document(text, over);
    await this.#index.apply({ documents: [document] });
    return document;
  }

  query(text: string, over: Partial<IndexQuery> = {}): IndexQuery {
    return {
      tenantId: this.tenantId,
      readable: new Map([[this.conversationId, 1]]),
      clauses: parseQuery(text),
      order: 'newest',
      limit: 20,
      ...over,
    };
  }

  /** Seqs of what is found. */
  async find(text: string, over: Partial<IndexQuery> = {}): Promise<number[]> {
    return (await this.hits(text, over)).map(({ seq }) => seq);
  }

  async hits(text: string, over: Partial<IndexQuery> = {}): Promise<IndexHit[]> {
    return (await this.#index.search(this.query(text, over))).hits;
  }
}
