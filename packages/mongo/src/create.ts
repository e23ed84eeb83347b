import type { Collection, Document, OptionalUnlessRequiredId } from 'mongodb';
import { isDuplicate } from './errors.ts';

/** Stores a document; false, and nothing changed, when its `_id` is taken. */
export const created = async <R extends Document>(collection: Collection<R>, row: R): Promise<boolean> => {
  try {
    await collection.insertOne(row as OptionalUnlessRequiredId<R>);
    return true;
  } catch (thrown) {
    if (isDuplicate(thrown)) return false;
    throw thrown;
  }
};
