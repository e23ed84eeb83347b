import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from '@caas/kit';
import { openSqliteHost, type SqliteHost } from '@caas/sqlite';
import { cursorText, readCursor } from './cursor.ts';
import { checkBatch, checkKeys, checkQuery } from './limits.ts';
import { type IndexHit, type IndexPage, type IndexQuery, relevanceWindow, type SearchIndex } from './port.ts';
import type { Hit, Search } from './sqlite/read-thread.ts';

type Reader = SqliteHost<ReturnType<typeof import('./sqlite/read-thread.ts').open>>;
type Writer = SqliteHost<ReturnType<typeof import('./sqlite/write-thread.ts').open>>;

/** Time from a change that took text out until the write-ahead log is emptied of it, in milliseconds. */
const checkpointAfterMs = 1_000;
/** How often, and how long apart, a purge tries to empty it. */
const maxCheckpointTries = 500;
const checkpointRetryMs = 10;

export interface SqliteSearchIndexOptions {
  /** Path of the database; its folder is made. */
  file: string;
  /** Longest wait for an answer of the engine, in milliseconds. */
  commandTimeoutMs?: number;
}

const everything = { above: '-1', below: String(2n ** 63n - 1n) };
const isId = (part: unknown): boolean => typeof part === 'string' && /^-?\d{1,19}$/.test(part);
const isScore = (part: unknown): boolean => typeof part === 'number' && Number.isFinite(part);

const bare = ({ id: _, ...hit }: Hit): IndexHit => hit;

const searchOf = (query: IndexQuery): Search => ({
  tenantId: query.tenantId,
  conversationIds: [...query.readable.keys()],
  fromSeqs: [...query.readable.values()],
  clauses: query.clauses,
  senderIds: query.senderIds,
  attached: query.hasAttachment,
  fromMs: query.fromMs ?? 0,
  untilMs: query.untilMs ?? 0,
  ...everything,
  limit: query.limit + 1,
});

const newest = async (reader: Reader, query: IndexQuery): Promise<IndexPage> => {
  const [below = everything.below] = query.after === undefined ? [] : readCursor(query.after, 'newest', [isId]);
  const found = await reader.call('newest', { ...searchOf(query), below: below as string });
  const hits = found.slice(0, query.limit);
  return {
    hits: hits.map(bare),
    next: found.length > hits.length ? cursorText('newest', [hits.at(-1)?.id ?? '']) : undefined,
  };
};

/** The pages of one search look at the same matches: those between the two ids that the first page found. */
const best = async (reader: Reader, query: IndexQuery): Promise<IndexPage> => {
  const [above, below, lastScore, lastId] = (
    query.after === undefined ? [] : readCursor(query.after, 'relevance', [isId, isId, isScore, isId])
  ) as [string?, string?, number?, string?];
  const range = { above: above ?? everything.above, below: below ?? everything.below };
  const scored = await reader.call('scored', { ...searchOf(query), ...range, limit: relevanceWindow });
  // They come newest first.
  const [latest, oldest] = [scored[0]?.hit.id ?? '', scored.at(-1)?.hit.id ?? ''];
  scored.sort((a, b) => b.score - a.score || (BigInt(b.hit.id) > BigInt(a.hit.id) ? 1 : -1));
  const rest =
    lastScore === undefined
      ? scored
      : scored.filter(
          ({ hit, score }) => score < lastScore || (score === lastScore && BigInt(hit.id) < BigInt(lastId as string)),
        );
  const page = rest.slice(0, query.limit);
  const last = page.at(-1);
  if (!last || rest.length === page.length) return { hits: page.map(({ hit }) => bare(hit)), next: undefined };
  const bounds = [above ?? String(BigInt(oldest) - 1n), below ?? String(BigInt(latest) + 1n)];
  return {
    hits: page.map(({ hit }) => bare(hit)),
    next: cursorText('relevance', [...bounds, last.score, last.hit.id]),
  };
};

/**
 * Opens the index in a SQLite file, with a thread that writes and one that searches. Rejects UNAVAILABLE or INTERNAL when it
 * can't be opened.
 */
export const openSqliteSearchIndex = async (options: SqliteSearchIndexOptions): Promise<SearchIndex> => {
  // The writer first: it makes the tables.
  const writer: Writer = await openSqliteHost({
    ...options,
    module: new URL('./sqlite/write-thread.ts', import.meta.url),
  });
  const reader: Reader = await openSqliteHost({
    ...options,
    module: new URL('./sqlite/read-thread.ts', import.meta.url),
  }).catch(async (error: unknown) => {
    await writer.close();
    throw error;
  });
  let emptying: NodeJS.Timeout | undefined;
  /** Text that was taken out stays in the write-ahead log until it is emptied. */
  const emptySoon = (): void => {
    emptying ??= setTimeout(() => {
      emptying = undefined;
      writer.call('checkpoint', undefined).then(
        (done) => done || emptySoon(),
        () => undefined,
      );
    }, checkpointAfterMs).unref();
  };
  return {
    visibleAfterMs: 0,
    goneAfterMs: 0,
    apply: async (batch) => {
      checkBatch(batch);
      if (await writer.call('apply', batch)) emptySoon();
    },
    progress: async (keys) =>
      keys.length === 0
        ? []
        : reader.call(
            'progress',
            keys.flatMap(({ tenantId, conversationId }) => [tenantId, conversationId]),
          ),
    records: async (keys) => {
      checkKeys(keys);
      return keys.length === 0 ? [] : reader.call('records', keys);
    },
    marks: (names) => reader.call('marks', names),
    search: async (query) => {
      checkQuery(query);
      if (query.readable.size === 0) return { hits: [], next: undefined };
      return query.order === 'newest' ? newest(reader, query) : best(reader, query);
    },
    purgeSender: async (tenantId, senderId) => {
      let purged = 0;
      for (;;) {
        const part = await writer.call('purge', { tenantId, senderId });
        if (part === 0) break;
        purged += part;
      }
      // A search that runs holds on to the log's old pages.
      for (let tries = 0; !(await writer.call('checkpoint', undefined)); tries++) {
        if (tries === maxCheckpointTries) fail('UNAVAILABLE', 'the index is too busy to empty its write-ahead log');
        await sleep(checkpointRetryMs);
      }
      return purged;
    },
    count: () => reader.call('count', undefined),
    close: async () => {
      clearTimeout(emptying);
      await Promise.all([writer.close(), reader.close()]);
    },
  };
};
