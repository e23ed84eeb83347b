/** Protobuf encoding for hot paths; `@caas/kit/encode`. */
import { BinaryWriter } from '@bufbuild/protobuf/wire';

export interface Encoder<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
}

/** Size of a buffer above which it is not kept, in bytes. */
const maxKeptBytes = 1024 * 1024;
let writer = new BinaryWriter();
let busy = false;

/**
 * The message's bytes, in an array of its own. One writer serves all calls and keeps its buffer: growing a new one for
 * each message costs two to three times the encoding itself.
 */
export const encodeMessage = <T>(codec: Encoder<T>, message: T): Uint8Array<ArrayBuffer> => {
  // A codec that encodes another message on its way (it should not) gets a writer of its own.
  if (busy) return codec.encode(message).finish() as Uint8Array<ArrayBuffer>;
  busy = true;
  try {
    const bytes = codec.encode(message, writer).finish() as Uint8Array<ArrayBuffer>;
    if (bytes.byteLength > maxKeptBytes) writer = new BinaryWriter();
    return bytes;
  } catch (thrown) {
    // What half a message left in it must not get into the next one.
    writer = new BinaryWriter();
    throw thrown;
  } finally {
    busy = false;
  }
};
