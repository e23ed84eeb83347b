import { duplicateKey, immutableField, refusedOf } from '@caas/mongo';
import type { AnyBulkWriteOperation, Collection } from 'mongodb';
import type { HeadCommit } from '../port.ts';
import { type ConversationRow, conversationRow, int64 } from './rows.ts';

/**
 * Compare-and-set that a bulk write can tell the outcome of. A bulk write reports how many of its updates matched, not
 * which; but it names the operations that failed. So a mismatch is made a failure: the update is an upsert whose insert
 * half would change `_id`, which MongoDB refuses (66). Nothing is ever inserted by it.
 */
const compareAndSet = (expectedHeadRev: number, row: ConversationRow): AnyBulkWriteOperation<ConversationRow> => {
  const { _id, tenant, conversation, headRev, epoch, body } = row;
  return {
    updateOne: {
      filter: { _id, tenant, conversation, headRev: int64(expectedHeadRev), epoch: { $lte: epoch } },
      update: { $set: { headRev, epoch, body }, $setOnInsert: { _id: `${_id} is not there` } },
      upsert: true,
    },
  };
};

const operation = ({ expectedHeadRev }: HeadCommit, row: ConversationRow): AnyBulkWriteOperation<ConversationRow> =>
  expectedHeadRev === 0 ? { insertOne: { document: row } } : compareAndSet(expectedHeadRev, row);

/** Indexes in waves: the n-th commit of a conversation is in the n-th wave, so that those of one run in order. */
const wavesOf = (rows: readonly ConversationRow[]): number[][] => {
  const waves: number[][] = [];
  const seen = new Map<string, number>();
  for (const [i, { _id }] of rows.entries()) {
    const nth = seen.get(_id) ?? 0;
    seen.set(_id, nth + 1);
    waves[nth] ??= [];
    waves[nth].push(i);
  }
  return waves;
};

/** Commits heads, one round trip unless a conversation comes twice; answers in the order of the commits. */
export const commitHeads = async (
  collection: Collection<ConversationRow>,
  commits: readonly HeadCommit[],
): Promise<('committed' | 'stale')[]> => {
  const rows = commits.map(({ document }) => conversationRow(document));
  const outcomes = commits.map((): 'committed' | 'stale' => 'committed');
  for (const wave of wavesOf(rows)) {
    const operations = wave.map((i) => operation(commits[i] as HeadCommit, rows[i] as ConversationRow));
    for (const refused of await refusedOf(collection, operations, [duplicateKey, immutableField]))
      outcomes[wave[refused] as number] = 'stale';
  }
  return outcomes;
};
