/**
 * Documents as they cross to the database's thread and back: one buffer for many, because cloning objects costs more than
 * encoding them. Measured with 200 documents of 400 bytes, µs a document: one writer for all 1.0, a writer each 3.7,
 * JSON 2.2, structured clone 4.3.
 */
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { Packed } from './sqlite/packed-rows.ts';

export interface Codec<T> {
  encode(document: T, writer?: BinaryWriter): BinaryWriter;
  decode(bytes: Uint8Array): T;
}

/** Size of a buffer above which it is not kept for the next batch, in bytes. */
const maxKeptBytes = 4 * 1024 * 1024;
/** Keeps its buffer, so that batches don't pay for growing one each. */
let writer = new BinaryWriter();

/** Each document with its length before it (varint), in one buffer that belongs to the caller. */
export const pack = <T>(codec: Codec<T>, documents: readonly T[]): Uint8Array<ArrayBuffer> => {
  try {
    for (const document of documents) codec.encode(document, writer.fork()).join();
    const packed = writer.finish() as Uint8Array<ArrayBuffer>;
    if (packed.byteLength > maxKeptBytes) writer = new BinaryWriter();
    return packed;
  } catch (thrown) {
    // What half a document left in it must not get into the next batch.
    writer = new BinaryWriter();
    throw thrown;
  }
};

/** The documents of an answer in their order; undefined where there was none. */
export const unpackSparse = <T>(codec: Codec<T>, { bytes, lengths }: Packed): (T | undefined)[] => {
  const documents: (T | undefined)[] = [];
  let at = 0;
  for (const length of lengths) {
    if (length < 0) documents.push(undefined);
    else {
      documents.push(codec.decode(bytes.subarray(at, at + length)));
      at += length;
    }
  }
  return documents;
};

/** The documents of an answer that has no gaps. */
export const unpack = <T>(codec: Codec<T>, packed: Packed): T[] => unpackSparse(codec, packed) as T[];
