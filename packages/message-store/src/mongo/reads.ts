import type { IndexDeclaration } from '@caas/mongo';
import type { Binary, Collection, Document, Filter } from 'mongodb';
import { bounded } from '../limits.ts';

interface Decoder<T> {
  decode(bytes: Uint8Array): T;
}
interface WithBody extends Document {
  _id: string;
  body: Binary;
}

/** One way to read many: which documents, by which index, in which order, how many. */
export interface Selection<R extends Document> {
  filter: object;
  index: IndexDeclaration;
  sort: Partial<Record<keyof R & string, 1 | -1>>;
  limit: number;
}

/** The selected documents as they lie, in one round trip unless they exceed 16 MiB. */
export const select = async <R extends Document>(
  collection: Collection<R>,
  { filter, index, sort, limit }: Selection<R>,
  fields: readonly (keyof R & string)[],
): Promise<R[]> => {
  bounded(limit);
  // To MongoDB a limit of 0 is none.
  if (limit < 1) return [];
  const projection = { _id: 0, ...Object.fromEntries(fields.map((field) => [field, 1])) };
  const cursor = collection.find<R>(filter as Filter<R>, {
    hint: index.key,
    sort: sort as Record<string, 1 | -1>,
    limit,
    batchSize: limit,
    projection,
  });
  return cursor.toArray();
};

/** The selected documents, decoded. */
export const selectBodies = async <R extends WithBody, T>(
  collection: Collection<R>,
  selection: Selection<R>,
  codec: Decoder<T>,
): Promise<T[]> => (await select(collection, selection, ['body'])).map(({ body }) => codec.decode(body.buffer));

/** Documents by their keys, in the order of the keys; undefined where there is none. */
export const byId = async <R extends WithBody, T>(
  collection: Collection<R>,
  ids: readonly string[],
  codec: Decoder<T>,
): Promise<(T | undefined)[]> => {
  bounded(ids.length);
  if (ids.length === 0) return [];
  const found = new Map<string, T>();
  const cursor = collection.find<WithBody>({ _id: { $in: ids } } as Filter<R>, {
    batchSize: ids.length,
    projection: { body: 1 },
  });
  for (const { _id, body } of await cursor.toArray()) found.set(_id, codec.decode(body.buffer));
  return ids.map((id) => found.get(id));
};
