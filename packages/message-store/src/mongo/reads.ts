import type { Binary, Collection, Document, Filter } from 'mongodb';
import { bounded } from '../limits.ts';
import type { Extent } from '../port.ts';

interface Decoder<T> {
  decode(bytes: Uint8Array): T;
}
interface WithBody extends Document {
  _id: string;
  body: Binary;
}

/**
 * One way to read many. The filter is the equal fields of an index and a range of the next one, no more, so there is one
 * plan for it on any server, whatever it has seen before. What else must hold is `keep`, which refuses few.
 */
export interface Selection<R extends Document> {
  filter: object;
  sort: Partial<Record<keyof R & string, 1 | -1>>;
  limit: number;
  keep?: (row: R) => boolean;
}

/** The selected documents as they lie: in one round trip, unless they exceed 16 MiB or some are not kept. */
export const select = async <R extends Document>(
  collection: Collection<R>,
  { filter, sort, limit, keep }: Selection<R>,
  fields: readonly (keyof R & string)[],
): Promise<R[]> => {
  bounded(limit);
  // To MongoDB a limit of 0 is none.
  if (limit < 1) return [];
  const cursor = collection.find<R>(filter as Filter<R>, {
    sort: sort as Record<string, 1 | -1>,
    batchSize: limit,
    projection: { _id: 0, ...Object.fromEntries(fields.map((field) => [field, 1])) },
    ...(keep === undefined && { limit }),
  });
  if (keep === undefined) return cursor.toArray();
  const rows: R[] = [];
  for await (const row of cursor) {
    if (keep(row)) rows.push(row);
    if (rows.length === limit) break;
  }
  return rows;
};

/** Rows a round trip of a read with a bound in bytes brings: what is brought past the bound is for nothing. */
const rowsPerTrip = 50;

/** The first of the selected documents, within the extent; `more`: there are others after them. */
export const selectWithin = async <R extends WithBody>(
  collection: Collection<R>,
  { filter, sort, keep }: Omit<Selection<R>, 'limit'>,
  { limit, maxBytes = Number.POSITIVE_INFINITY }: Extent,
  fields: readonly (keyof R & string)[],
): Promise<{ rows: R[]; more: boolean }> => {
  bounded(limit);
  if (limit < 1) return { rows: [], more: false };
  const cursor = collection.find<R>(filter as Filter<R>, {
    sort: sort as Record<string, 1 | -1>,
    batchSize: maxBytes === Number.POSITIVE_INFINITY ? limit + 1 : Math.min(limit + 1, rowsPerTrip),
    projection: { _id: 0, ...Object.fromEntries(fields.map((field) => [field, 1])) },
    ...(keep === undefined && { limit: limit + 1 }),
  });
  const rows: R[] = [];
  let bytes = 0;
  for await (const row of cursor) {
    if (keep?.(row) === false) continue;
    bytes += row.body.length();
    if (rows.length === limit || (rows.length > 0 && bytes > maxBytes)) return { rows, more: true };
    rows.push(row);
  }
  return { rows, more: false };
};

/** The bodies of selected documents, decoded. */
export const decoded = <T>(codec: Decoder<T>, rows: readonly { body: Binary }[]): T[] =>
  rows.map(({ body }) => codec.decode(body.buffer));

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
