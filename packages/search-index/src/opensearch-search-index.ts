import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import { CaasError } from '@caas/kit';
import { errors } from '@opensearch-project/opensearch';
import { cursorText, readCursor } from './cursor.ts';
import { checkBatch, checkKeys, checkQuery } from './limits.ts';
import { Engine } from './opensearch/engine.ts';
import { boolOf, sortOf } from './opensearch/query.ts';
import { addedFields, messagesIndex, stateIndex } from './opensearch/schema.ts';
import type {
  ConversationKey,
  IndexDocument,
  IndexHit,
  IndexPage,
  IndexQuery,
  IndexRecord,
  MessageKey,
  SearchIndex,
} from './port.ts';
import { termsOf } from './text/tokens.ts';

export interface OpenSearchIndexOptions {
  /** Nodes of one cluster. */
  urls: readonly string[];
  /** Put before the names of indexes. */
  prefix: string;
  tls?: ConnectionOptions | undefined;
  /** Longest wait for an answer of the engine, in milliseconds. */
  commandTimeoutMs?: number;
  onFault?(fault: unknown): void;
}

const defaultCommandTimeoutMs = 10_000;
/** Longest wait for the end of a merge, in milliseconds. */
const mergeTimeoutMs = 600_000;
/** Mark of when the last purge was; 'done' once it has left the files. */
const expungeMark = 'expunge';
/** When the engine has certainly let go of what a purge replaced, and how often it is asked to rewrite its files until then, in milliseconds. */
const leasesMovedMs = 330_000;
const expungeEveryMs = 60_000;
/** Documents of one request: it holds all of their terms. */
const documentsPerRequest = 250;
/** How long making terms may hold the event loop before others have a turn, in milliseconds. */
const maxTurnMs = 4;
/** Messages one round of a purge takes out. */
const purgeSlice = 500;
/** Hits asked for at once where some may be before what is readable. */
const leastFetched = 20;

/** What is kept of a message beside its terms. */
interface Source {
  tenant: string;
  conversation: string;
  message: string;
  sender: string;
  seq: number;
  accepted: number;
  found: boolean;
  trace?: string;
  indexed?: number;
}
interface RawHit {
  _id: string;
  _version?: number;
  _source: Source;
  sort: (string | number)[];
}

const idOf = ({ tenantId, conversationId }: ConversationKey, messageId = ''): string =>
  `${tenantId.length}:${tenantId}${conversationId.length}:${conversationId}${messageId}`;

const hitOf = ({ _source: s }: RawHit): IndexHit => ({
  conversationId: s.conversation,
  messageId: s.message,
  senderId: s.sender,
  seq: s.seq,
  acceptedAtMs: s.accepted,
});

const sourceOf = (document: IndexDocument) => ({
  tenant: document.tenantId,
  conversation: document.conversationId,
  message: document.messageId,
  key: `${document.conversationId} ${document.messageId}`,
  sender: document.senderId,
  seq: document.seq,
  accepted: document.acceptedAtMs,
  attached: document.hasAttachment,
  found: document.content !== undefined,
  trace: document.traceId,
  indexed: Date.now(),
});

const isNumber = (part: unknown): boolean => typeof part === 'number' && Number.isFinite(part);
const isText = (part: unknown): boolean => typeof part === 'string' && part.length <= 300;
const timeChecks = [isNumber, isNumber, isText];

const alreadyThere = (error: unknown): boolean =>
  error instanceof errors.ResponseError && JSON.stringify(error.body).includes('resource_already_exists_exception');

class OpenSearchIndex implements SearchIndex {
  readonly visibleAfterMs = 1_500;
  readonly goneAfterMs = leasesMovedMs + mergeTimeoutMs;
  readonly #closing = new AbortController();
  #expunging: Promise<void> | undefined;
  readonly #engine: Engine;
  readonly #messages: string;
  readonly #state: string;

  constructor(engine: Engine, prefix: string) {
    this.#engine = engine;
    this.#messages = `${prefix}messages`;
    this.#state = `${prefix}search-state`;
  }

  async prepare(): Promise<void> {
    for (const [index, body] of [
      [this.#messages, messagesIndex],
      [this.#state, stateIndex],
    ] as const)
      await this.#engine.run(async (client) => {
        const { body: there } = await client.indices.exists({ index });
        if (there && body === messagesIndex)
          await client.indices.putMapping({ index, body: { properties: addedFields } as never });
        if (there) return;
        // Of several that start at the same time one makes it.
        await client.indices.create({ index, body: body as never }).catch((error: unknown) => {
          if (!alreadyThere(error)) throw error;
        });
      });
  }

  /** A purge whose process ended goes on. */
  goOn(): void {
    this.#expunge();
  }

  async apply(batch: Parameters<SearchIndex['apply']>[0]): Promise<void> {
    checkBatch(batch);
    const { documents, progress = [], marks = {} } = batch;
    for (let i = 0; i < documents.length; i += documentsPerRequest)
      await this.#write(documents.slice(i, i + documentsPerRequest));
    const state = [
      ...progress.flatMap((each) => [
        { index: { _index: this.#state, _id: `rev/${idOf(each)}`, version: each.rev, version_type: 'external_gte' } },
        { rev: each.rev },
      ]),
      ...Object.entries(marks).flatMap(([name, value]) => [
        { index: { _index: this.#state, _id: `mark/${name}` } },
        { value },
      ]),
    ];
    await this.#bulk(state);
  }

  async #write(documents: readonly IndexDocument[]): Promise<void> {
    const operations: object[] = [];
    let turnAtMs = performance.now();
    for (const document of documents) {
      if (performance.now() - turnAtMs > maxTurnMs) {
        await nextTurn();
        turnAtMs = performance.now();
      }
      const { content, tenantId, version, messageId } = document;
      operations.push(
        {
          index: {
            ...{ _index: this.#messages, _id: idOf(document, messageId), routing: tenantId },
            // Even ones are the store's; odd ones are where a purge took the version before out.
            ...{ version: version * 2, version_type: 'external_gte' },
          },
        },
        { ...sourceOf(document), ...(content && { terms: termsOf([content.text, ...content.names]) }) },
      );
    }
    await this.#bulk(operations);
  }

  /** A document that is there in a later version stays: 409. */
  async #bulk(operations: object[]): Promise<void> {
    if (operations.length === 0) return;
    const { body } = await this.#engine.run((client) => client.bulk({ body: operations as never }));
    if (!body.errors) return;
    for (const item of body.items) {
      const { status, error } = item['index'] as { status: number; error?: unknown };
      if (status < 300 || status === 409) continue;
      const passing = status === 429 || status >= 500;
      throw new CaasError(passing ? 'UNAVAILABLE' : 'INTERNAL', 'the search engine did not take a document', {
        cause: error,
      });
    }
  }

  async #get(ids: readonly string[]): Promise<(Record<string, unknown> | undefined)[]> {
    if (ids.length === 0) return [];
    const { body } = await this.#engine.run((client) =>
      client.mget({ index: this.#state, body: { ids: [...ids] } as never }),
    );
    return (body.docs as { found?: boolean; _source?: Record<string, unknown> }[]).map((each) => each._source);
  }

  async progress(keys: readonly ConversationKey[]): Promise<number[]> {
    const found = await this.#get(keys.map((key) => `rev/${idOf(key)}`));
    return found.map((source) => Number(source?.['rev'] ?? 0));
  }

  async records(keys: readonly MessageKey[]): Promise<(IndexRecord | undefined)[]> {
    checkKeys(keys);
    if (keys.length === 0) return [];
    const docs = keys.map((key) => ({ _id: idOf(key, key.messageId), routing: key.tenantId }));
    const { body } = await this.#engine.run((client) =>
      client.mget({ index: this.#messages, body: { docs } as never }),
    );
    return (body.docs as { _version?: number; _source?: Source }[]).map(({ _version = 0, _source: source }) =>
      source
        ? {
            version: Math.floor(_version / 2),
            found: source.found,
            traceId: source.trace ?? '',
            indexedAtMs: source.indexed ?? 0,
          }
        : undefined,
    );
  }

  async marks(names: readonly string[]): Promise<(string | undefined)[]> {
    const found = await this.#get(names.map((name) => `mark/${name}`));
    return found.map((source) => source?.['value'] as string | undefined);
  }

  async search(query: IndexQuery): Promise<IndexPage> {
    checkQuery(query);
    const { order, limit, readable } = query;
    // A later page of the best looks at what was there when the first was made, as far as time tells.
    const checks = order === 'newest' ? timeChecks : [isNumber, isNumber, ...timeChecks];
    const cursor = query.after === undefined ? undefined : readCursor(query.after, order, checks);
    if (readable.size === 0) return { hits: [], next: undefined };
    let upToMs = order === 'newest' ? undefined : (cursor?.[0] as number | undefined);
    let after = (order === 'newest' ? cursor : cursor?.slice(1)) as (string | number)[] | undefined;
    const kept: RawHit[] = [];
    for (;;) {
      const size = Math.max(leastFetched, limit + 1 - kept.length);
      const { hits, newestMs } = await this.#page(query, size, after, upToMs);
      if (order === 'relevance') upToMs ??= newestMs;
      // Whether a hit is late enough in its conversation is looked at here: clauses of thousands of conversations cost more.
      kept.push(
        ...hits.filter(({ _source: s }) => s.seq >= (readable.get(s.conversation) ?? Number.POSITIVE_INFINITY)),
      );
      after = hits.at(-1)?.sort;
      if (kept.length > limit || hits.length < size) break;
    }
    const page = kept.slice(0, limit);
    const end = page.at(-1)?.sort ?? [];
    const parts = upToMs === undefined ? end : [upToMs, ...end];
    return { hits: page.map(hitOf), next: kept.length > limit ? cursorText(order, parts) : undefined };
  }

  async #page(query: IndexQuery, size: number, after: (string | number)[] | undefined, upToMs: number | undefined) {
    const first = query.order === 'relevance' && upToMs === undefined;
    const { body } = await this.#engine.run((client) =>
      client.search({
        index: this.#messages,
        routing: [query.tenantId],
        allow_partial_search_results: false,
        body: {
          query: boolOf(query, upToMs),
          sort: sortOf(query.order),
          size,
          track_total_hits: false,
          ...(after && { search_after: after }),
          ...(first && { aggs: { newest: { max: { field: 'accepted' } } } }),
        } as never,
      }),
    );
    if (body.timed_out) throw new CaasError('UNAVAILABLE', 'the search engine did not answer in time');
    const newest = (body.aggregations as { newest?: { value: number | null } } | undefined)?.newest?.value;
    return { hits: body.hits.hits as unknown as RawHit[], newestMs: newest ?? undefined };
  }

  async purgeSender(tenantId: string, senderId: string): Promise<number> {
    const index = this.#messages;
    const filter = [{ term: { tenant: tenantId } }, { term: { sender: senderId } }, { term: { found: true } }];
    const body = { query: { bool: { filter } }, size: purgeSlice, version: true } as never;
    let purged = 0;
    for (;;) {
      await this.#engine.run((client) => client.indices.refresh({ index }));
      const found = await this.#engine.run((client) =>
        client.search({ index, routing: [tenantId], allow_partial_search_results: false, body }),
      );
      const hits = found.body.hits.hits as unknown as RawHit[];
      if (hits.length === 0) break;
      await this.#bulk(
        hits.flatMap(({ _id, _version = 0, _source }) => [
          {
            index: {
              ...{ _index: index, _id, routing: tenantId },
              ...{ version: _version + 1, version_type: 'external_gte' },
            },
          },
          { ..._source, attached: false, found: false },
        ]),
      );
      purged += hits.length;
    }
    await this.#bulk([{ index: { _index: this.#state, _id: `mark/${expungeMark}` } }, { value: String(Date.now()) }]);
    this.#expunge();
    return purged;
  }

  /**
   * Has the engine rewrite its files without what was replaced. It keeps that until every copy is known to have what replaced
   * it, which is looked at every five minutes; so it is asked again until that has passed.
   */
  #expunge(): void {
    this.#expunging ??= (async () => {
      const { signal } = this.#closing;
      for (let done = false; !done && !signal.aborted; ) {
        // The engine may be away: then it is asked again later.
        done = await this.#expungeOnce().catch(() => false);
        if (!done) await sleep(expungeEveryMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
    })().finally(() => {
      this.#expunging = undefined;
    });
  }

  /** True when nothing is left to take out. */
  async #expungeOnce(): Promise<boolean> {
    const [since] = await this.marks([expungeMark]);
    if (since === undefined || since === 'done') return true;
    await this.#rewriteFiles();
    if (Date.now() - Number(since) < leasesMovedMs) return false;
    // Unless there was another purge meanwhile.
    const [now] = await this.marks([expungeMark]);
    if (now === since) await this.apply({ documents: [], marks: { [expungeMark]: 'done' } });
    return now === since;
  }

  async #rewriteFiles(): Promise<void> {
    const index = this.#messages;
    const patient = { requestTimeout: mergeTimeoutMs };
    await this.#engine.run((client) => client.indices.flush({ index, force: true, wait_if_ongoing: true }, patient));
    await this.#engine.run((client) => client.indices.forcemerge({ index, only_expunge_deletes: true }, patient));
    await this.#engine.run((client) => client.indices.flush({ index, force: true, wait_if_ongoing: true }, patient));
  }

  async count(): Promise<number> {
    const body = { query: { term: { found: true } } } as never;
    return (await this.#engine.run((client) => client.count({ index: this.#messages, body }))).body.count;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#engine.close();
  }
}

/**
 * Opens the index in OpenSearch 2.19 or later, and makes its two indexes where they are missing. Rejects UNAVAILABLE when no
 * node answers.
 */
export const openOpenSearchIndex = async (options: OpenSearchIndexOptions): Promise<SearchIndex> => {
  const { urls, prefix, tls, commandTimeoutMs = defaultCommandTimeoutMs, onFault = () => undefined } = options;
  const engine = new Engine({ urls, tls, commandTimeoutMs, onFault });
  const index = new OpenSearchIndex(engine, prefix);
  try {
    await index.prepare();
    index.goOn();
    return index;
  } catch (error) {
    await engine.close();
    throw error;
  }
};
