import type { Collection } from 'mongodb';
import type { UnreadQuery } from '../port.ts';
import { int64, type MessageRow, within } from './rows.ts';

/** Queries that are under way at a time for one call. */
export const unreadQueriesAtOnce = 32;
/** Greatest range whose messages are looked at one by one, in messages. */
export const maxScannedUnread = 100;
/** Greatest number of own messages, and of tombstones, that are told one by one. */
export const maxListedQuiet = 500;
/** Messages a server tells of at a time. */
const scanBatch = 1_000;

/** Looks at every message of the range. */
const scan = async (messages: Collection<MessageRow>, query: UnreadQuery, range: object): Promise<number> => {
  const options = { projection: { _id: 0, quietFor: 1 }, batchSize: scanBatch };
  let count = 0;
  for await (const { quietFor } of messages.find<Pick<MessageRow, 'quietFor'>>(
    { ...within(query), seq: range },
    options,
  ))
    if (quietFor !== true && quietFor !== query.userId) count += 1;
  return count;
};

/**
 * How many of the range don't count. Asked for are the equal fields of an index and a range of the next, as everywhere; the
 * user's own come before the tombstones, so that one that is deleted in between is in both lists and not in none. Where they
 * are many the server counts them by itself, both at once for the same reason; what knows no plan for that (the stand-in
 * of the tests) looks at every message of every conversation.
 */
const countQuiet = async (messages: Collection<MessageRow>, query: UnreadQuery, range: object): Promise<number> => {
  const options = { projection: { _id: 0, seq: 1 }, limit: maxListedQuiet, batchSize: maxListedQuiet };
  const quiet = new Set<number>();
  for (const quietFor of [query.userId, true] as const) {
    const rows = await messages.find({ ...within(query), quietFor, seq: range }, options).toArray();
    if (rows.length === maxListedQuiet)
      return messages.countDocuments({ ...within(query), quietFor: { $in: [query.userId, true] }, seq: range });
    for (const { seq } of rows) quiet.add(Number(seq));
  }
  return quiet.size;
};

/**
 * Messages after `afterSeq` that are neither the user's own nor tombstones. A conversation's seqs have no gap, so when both
 * ends of the range are there all of it is, and only what does not count needs counting: a channel's million unread
 * messages cost little more than a hundred. Where an end is missing every message is looked at.
 */
const countUnread = async (messages: Collection<MessageRow>, query: UnreadQuery): Promise<number> => {
  const { afterSeq, lastSeq } = query;
  const size = lastSeq - afterSeq;
  if (size <= 0) return 0;
  const range = { $gt: int64(afterSeq), $lte: int64(lastSeq) };
  if (size <= maxScannedUnread) return scan(messages, query, range);
  const [ends, quiet] = await Promise.all([
    messages.countDocuments({ ...within(query), seq: { $in: [int64(afterSeq + 1), int64(lastSeq)] } }),
    countQuiet(messages, query, range),
  ]);
  // A long count gives way to writes, so that even it may have met a message twice.
  return ends === 2 ? Math.max(0, size - quiet) : scan(messages, query, range);
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
