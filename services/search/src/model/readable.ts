import { isActive, type MessageStore, maxDocumentsPerCall } from '@caas/message-store';
import type { Claims } from '@caas/proto/caas/common/v1/claims';
import type { ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { maxReadableConversations } from '@caas/search-index';

/** All conversations the user is in, at most `maxReadableConversations`. */
const participations = async (store: MessageStore, { tenantId, userId }: Claims): Promise<ParticipantDocument[]> => {
  const all: ParticipantDocument[] = [];
  while (all.length < maxReadableConversations) {
    const limit = Math.min(maxDocumentsPerCall, maxReadableConversations - all.length);
    const page = { afterConversationId: all.at(-1)?.conversationId ?? '', limit, activeOnly: true };
    const some = await store.participants.ofUser(tenantId, userId, page);
    all.push(...some);
    if (some.length < limit) break;
  }
  return all;
};

/**
 * What the user may read at this moment: conversations with the least seq of each. Read from the store for every search, so
 * that who was removed finds nothing from then on. `conversationIds` narrow it; empty: all.
 */
export const readableBy = async (
  store: MessageStore,
  claims: Claims,
  conversationIds: readonly string[],
): Promise<Map<string, number>> => {
  const { tenantId, userId } = claims;
  const documents =
    conversationIds.length === 0
      ? await participations(store, claims)
      : await store.participants.getMany(
          [...new Set(conversationIds)].map((conversationId) => ({ tenantId, conversationId, userId })),
        );
  return new Map(
    documents.filter(isActive).map(({ conversationId, visibleFromSeq }) => [conversationId, visibleFromSeq]),
  );
};
