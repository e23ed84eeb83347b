import { type AnyBulkWriteOperation, type Collection, type Document, MongoBulkWriteError } from 'mongodb';

/**
 * Runs writes in one round trip and in no order, so each must concern a document of its own. Answers the indexes of those
 * the server refused with one of `codes`; the others took place. Throws the driver's error when any failed otherwise.
 */
export const refusedOf = async <D extends Document>(
  collection: Collection<D>,
  operations: AnyBulkWriteOperation<D>[],
  codes: readonly number[],
): Promise<number[]> => {
  try {
    await collection.bulkWrite(operations, { ordered: false });
    return [];
  } catch (thrown) {
    if (!(thrown instanceof MongoBulkWriteError) || thrown.result.getWriteConcernError()) throw thrown;
    const refusals = [thrown.writeErrors].flat();
    if (refusals.length === 0 || !refusals.every(({ code }) => codes.includes(code))) throw thrown;
    return refusals.map(({ index }) => index);
  }
};
