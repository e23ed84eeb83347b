import type { Collection } from 'mongodb';
import type { UnreadQuery } from '../port.ts';
import { int64, type MessageRow, within } from './rows.ts';
import { index } from './schema.ts';

/** Queries that are under way at a time for one call. */
export const unreadQueriesAtOnce = 32;

/**
 * Messages after `afterSeq` that are neither the user's own nor tombstones. A conversation's seqs have no gap, so with both
 * ends of the range there all of it is, and only what doesn't count is counted: a channel's million unread messages cost
 * what one costs. Where an end is missing the messages themselves are counted.
 */
const countUnread = async (messages: Collection<MessageRow>, query: UnreadQuery): Promise<number> => {
  const { afterSeq, lastSeq, userId } = query;
  const size = lastSeq - afterSeq;
  if (size <= 0) return 0;
  const range = { $gt: int64(afterSeq), $lte: int64(lastSeq) };
  const quiet = [userId, true as const];
  const [ends, quietOnes] = await Promise.all([
    messages.countDocuments(
      { ...within(query), seq: { $in: [int64(afterSeq + 1), int64(lastSeq)] } },
      { hint: index.messageSeq.key },
    ),
    messages.countDocuments(
      { ...within(query), quietFor: { $in: quiet }, seq: range },
      { hint: index.messageQuiet.key },
    ),
  ]);
  if (ends === Math.min(size, 2)) return size - quietOnes;
  return messages.countDocuments(
    { ...within(query), seq: range, quietFor: { $nin: quiet } },
    { hint: index.messageSeq.key },
  );
};

/** Counts for each query, in their order. */
export const countAllUnread = async (
  messages: Collection<MessageRow>,
  queries: readonly UnreadQuery[],
): Promise<number[]> => {
  const counts: number[] = [];
  for (let i = 0; i < queries.length; i += unreadQueriesAtOnce) {
    const slice = queries.slice(i, i + unreadQueriesAtOnce);
    counts.push(...(await Promise.all(slice.map((query) => countUnread(messages, query)))));
  }
  return counts;
};
