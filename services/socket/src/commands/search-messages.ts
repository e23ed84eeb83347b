import { CaasError, fail } from '@caas/kit';
import { SearchOrder } from '@caas/proto/caas/search/v1/search_service';
import type { SearchMessages } from '@caas/proto/caas/socket/v1/commands';
import type { Command } from './command.ts';

const filterOf = ({ conversationId, senderIds, fromMs, untilMs, hasAttachment }: SearchMessages) => ({
  conversationIds: conversationId === '' ? [] : [conversationId],
  ...{ senderIds, fromMs, untilMs, hasAttachment },
});

/** Searches the messages the user may read; who may read what is decided by the search service, for each search anew. */
export const searchMessages: Command<'searchMessages'> = async ({ node, connection, traceparent }, request) => {
  const { search } = node;
  if (!search)
    return fail('UNIMPLEMENTED', 'searchMessages is not served by this installation', {
      details: { command: 'searchMessages' },
    });
  const { query, limit, cursor, byRelevance } = request;
  const order = byRelevance ? SearchOrder.SEARCH_ORDER_RELEVANCE : SearchOrder.SEARCH_ORDER_NEWEST;
  try {
    const asked = { claims: connection.claims, query, filter: filterOf(request), order, limit, cursor };
    return { $case: 'found', value: await search.search(asked, { traceparent }) };
  } catch (error) {
    if (!(error instanceof CaasError) || (error.reason !== 'UNAVAILABLE' && error.reason !== 'DRAINING')) throw error;
    return fail('UNAVAILABLE', 'search does not answer; all else goes on', { cause: error });
  }
};
