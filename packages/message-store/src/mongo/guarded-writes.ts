import { duplicateKey, refusedOf } from '@caas/mongo';
import type { AnyBulkWriteOperation, Collection, Filter } from 'mongodb';
import type { GuardedRow } from './rows.ts';

/** What is left of rows written one after the other, each guarded by its epoch: one row a document. */
const lastOfEach = <R extends GuardedRow>(rows: readonly R[]): R[] => {
  const last = new Map<string, R>();
  for (const row of rows) {
    const before = last.get(row._id);
    if (before === undefined || before.epoch.lessThanOrEqual(row.epoch)) last.set(row._id, row);
  }
  return [...last.values()];
};

/** Replaces the document unless a later epoch wrote it. */
const replacement = <R extends GuardedRow>(row: R, upsert: boolean): AnyBulkWriteOperation<R> => {
  const { _id, tenant, conversation, epoch } = row;
  const filter = { _id, tenant, conversation, epoch: { $lte: epoch } } as Filter<R>;
  return { replaceOne: { filter, replacement: row, upsert } };
};

const insertion = <R extends GuardedRow>(row: R): AnyBulkWriteOperation<R> =>
  ({ insertOne: { document: row } }) as AnyBulkWriteOperation<R>;

/**
 * Upserts rows in one round trip, each unless its document was written under a later epoch. With `_id` taken, an insert
 * and an upsert whose guard does not hold both end in 11000; documents are never removed, so a second attempt that only
 * replaces settles it: either the guard holds now, or the document is a later epoch's.
 *
 * `seemsNew` chooses what is tried first, nothing else: an insert costs the server a third of an upsert.
 */
export const writeGuarded = async <R extends GuardedRow>(
  collection: Collection<R>,
  rows: readonly R[],
  seemsNew: (row: R) => boolean,
): Promise<void> => {
  const last = lastOfEach(rows);
  const first = last.map((row) => (seemsNew(row) ? insertion(row) : replacement(row, true)));
  const taken = await refusedOf(collection, first, [duplicateKey]);
  const second = taken.map((i) => replacement(last[i] as R, false));
  if (second.length > 0) await collection.bulkWrite(second, { ordered: false });
};
