import type { PlainContent } from '@caas/proto/caas/events/v1/content';
import type { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import type { SearchHit } from '@caas/proto/caas/search/v1/resources';
import { type Clause, matchesIn, snippetOf, tokensOf } from '@caas/search-index';

/**
 * Pure: a message as a hit, with what of it matches; undefined when it does not say any more what is looked for. The index
 * only tells where to look: what is shown is what the store has now.
 */
export const hitOf = (
  document: MessageDocument,
  content: PlainContent,
  clauses: readonly Clause[],
): SearchHit | undefined => {
  const parts = [content.text, ...content.attachments.map(({ name }) => name)];
  const matches = parts.map((part) => matchesIn(tokensOf(part), clauses));
  if (!clauses.every((_, i) => matches.some(({ counts }) => (counts[i] ?? 0) > 0))) return undefined;
  const shown = Math.max(
    0,
    matches.findIndex(({ ranges }) => ranges.length > 0),
  );
  const { text, highlights } = snippetOf(parts[shown] ?? '', matches[shown]?.ranges ?? []);
  const { conversationId, messageId, seq, senderId, acceptedAtMs } = document;
  const hasAttachment = content.attachments.length > 0;
  return { conversationId, messageId, seq, senderId, acceptedAtMs, snippet: text, highlights, hasAttachment };
};
