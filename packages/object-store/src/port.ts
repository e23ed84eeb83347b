import type { Readable } from 'node:stream';

/**
 * Bytes of objects, by key. Embedded: a folder. A key is a path of segments that begins with the tenant (`objectKey`), and leads
 * to no place but its own; no key is the beginning of another one's path.
 *
 * What callers may rely on:
 * - An object is whole or not there: a put that resolves 'put' is durable (survives kill -9 and power loss), one that does
 *   anything else has left what was there before, also after a crash.
 * - Of two puts of a key the later one stays, whole; a read that began before goes on with the bytes it began with.
 * - What is deleted is gone when the call resolves. Deleting what is not there is no error.
 * - Rejects with CaasError UNAVAILABLE when the store can't do it, INVALID_ARGUMENT for what is no key; what the source of a put
 *   rejects with is passed on.
 */
export interface ObjectStore {
  /** Puts an object. 'size': the source has another number of bytes, and nothing was put. */
  put(key: string, source: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<'put' | 'size'>;
  /** Bytes from `from` up to, not including, `to`, within the object. Whoever does not read to the end destroys the stream. */
  get(key: string, range?: ByteRange): Promise<ObjectBody | undefined>;
  /** Size in bytes; undefined: there is no such object. */
  head(key: string): Promise<number | undefined>;
  delete(key: string): Promise<void>;
  /** Deletes all objects whose keys begin with a prefix, and answers their number. Not atomic: repeat it after a failure. */
  deletePrefix(prefix: string): Promise<number>;
  /** Objects whose keys begin with a prefix and come after `afterKey`, in order of keys; at most `limit` ≤ `maxListed`. */
  list(prefix: string, afterKey: string, limit: number): Promise<ListedObject[]>;
  close(): Promise<void>;
}

/** Greatest number of objects one call lists. */
export const maxListed = 1_000;

export interface ByteRange {
  from: number;
  to: number;
}

export interface ObjectBody {
  /** Size of the whole object, in bytes. */
  sizeBytes: number;
  body: Readable;
}

export interface ListedObject {
  key: string;
  sizeBytes: number;
}
