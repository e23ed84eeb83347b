import { setImmediate as nextTurn } from 'node:timers/promises';
import { CaasError, fail } from '@caas/kit';
import type { Handlers } from '@caas/kit/grpc';
import type { Claims } from '@caas/proto/caas/common/v1/claims';
import type { SearchHit } from '@caas/proto/caas/search/v1/resources';
import { SearchOrder, type SearchRequest, type SearchServiceService } from '@caas/proto/caas/search/v1/search_service';
import { type IndexHit, type IndexQuery, parseQuery } from '@caas/search-index';
import type { SearchCore } from '../core.ts';
import { defaultHits, maxRounds, maxTurnMs } from '../limits.ts';
import { decodeCursor, encodeCursor } from '../model/cursor.ts';
import { hitOf } from '../model/hit.ts';
import { readableBy } from '../model/readable.ts';

/** Finds messages within what the asker may read at this moment. */
export const search = (core: SearchCore): Handlers<typeof SearchServiceService>['search'] => {
  let running = 0;
  return async (request, { signal }) => {
    if (running >= core.maxConcurrentSearches)
      fail('OVERLOADED', 'too many searches at once', { details: { limit: 'maxConcurrentSearches' } });
    running += 1;
    try {
      const { claims } = request;
      if (!claims) return fail('UNAUTHENTICATED', 'a search requires verified claims');
      return await find(core, request, claims, signal);
    } finally {
      running -= 1;
    }
  };
};

const find = async (core: SearchCore, request: SearchRequest, claims: Claims, signal: AbortSignal) => {
  const { query, filter, order } = request;
  const { tenantId, userId } = claims;
  const asked = [tenantId, userId, query, filter, order];
  let after = decodeCursor(asked, request.cursor);
  const clauses = parseQuery(query);
  const readable = await readableBy(core.store, claims, filter?.conversationIds ?? []);
  const limit = request.limit || defaultHits;
  const hits: SearchHit[] = [];
  const wanted: Omit<IndexQuery, 'limit'> = {
    ...{ tenantId, readable, clauses },
    ...(filter && filter.senderIds.length > 0 && { senderIds: filter.senderIds }),
    fromMs: filter?.fromMs ?? 0,
    untilMs: filter?.untilMs ?? 0,
    hasAttachment: filter?.hasAttachment,
    order: order === SearchOrder.SEARCH_ORDER_RELEVANCE ? 'relevance' : 'newest',
  };
  for (let round = 0; clauses.length > 0 && round < maxRounds; round++) {
    if (signal.aborted) throw new CaasError('DEADLINE_EXCEEDED', 'nobody waits any more', { cause: signal.reason });
    const page = await core.index.search({
      ...wanted,
      limit: limit - hits.length,
      ...(after !== undefined && { after }),
    });
    hits.push(...(await confirmed(core, wanted, userId, page.hits)));
    after = page.next;
    if (after === undefined || hits.length >= limit) break;
  }
  return { hits, nextCursor: encodeCursor(asked, after), lagMs: core.lagMs() };
};

/** What of the index's hits the store confirms: still there, readable, not hidden by the asker, and saying what is looked for. */
const confirmed = async (
  { store, open }: SearchCore,
  { tenantId, readable, clauses, senderIds }: Omit<IndexQuery, 'limit'>,
  userId: string,
  found: readonly IndexHit[],
): Promise<SearchHit[]> => {
  if (found.length === 0) return [];
  const keys = found.map(({ conversationId, messageId, seq }) => ({
    tenantId,
    conversationId,
    messageId,
    userId,
    seq,
  }));
  const [stored, hidden] = await Promise.all([store.messages.getMany(keys), store.messages.areHidden(keys)]);
  const documents = stored.flatMap((document, i) => {
    const from = readable.get(document?.conversationId ?? '');
    const shown = document && !hidden[i] && document.deletedAtMs === 0 && from !== undefined && document.seq >= from;
    return shown && (senderIds?.includes(document.senderId) ?? true) ? [document] : [];
  });
  const contents = await open(documents);
  const hits: SearchHit[] = [];
  let turnAtMs = performance.now();
  for (const [i, document] of documents.entries()) {
    if (performance.now() - turnAtMs > maxTurnMs) {
      await nextTurn();
      turnAtMs = performance.now();
    }
    const content = contents[i];
    const hit = content && hitOf(document, content, clauses);
    if (hit) hits.push(hit);
  }
  return hits;
};
