import { Readable } from 'node:stream';
import { away } from './client.ts';
import { stallMs } from './limits.ts';

/** The source has another number of bytes than was said. */
export class WrongSize extends Error {}

/** Calls back when it was left armed for too long. */
const watch = (onStall: () => void) => {
  let timer: NodeJS.Timeout | undefined;
  return {
    arm() {
      timer = setTimeout(onStall, stallMs);
    },
    disarm() {
      clearTimeout(timer);
    },
  };
};

/**
 * A source as the body of a put: it fails when it has another size, before its last byte is sent, so that the store keeps
 * nothing. `signal` aborts when the store stops taking it; however slow the source is, that is not the store's fault.
 */
export const sized = (source: AsyncIterable<Uint8Array>, sizeBytes: number) => {
  const stalled = new AbortController();
  const stall = watch(() => stalled.abort());
  async function* counted(): AsyncGenerator<Uint8Array> {
    let held: Uint8Array | undefined;
    let count = 0;
    for await (const bytes of source) {
      count += bytes.length;
      if (count > sizeBytes) throw new WrongSize();
      if (held) {
        stall.arm();
        yield held;
        stall.disarm();
      }
      held = bytes;
    }
    if (count !== sizeBytes) throw new WrongSize();
    // From now on it waits for the store alone.
    stall.arm();
    if (held) yield held;
  }
  const body = Readable.from(counted(), { objectMode: false });
  // The request would wait for the rest for ever; why it ended, `errored` says.
  body.once('error', () => stalled.abort());
  const end = (): void => {
    stall.disarm();
    body.destroy();
  };
  return { body, signal: stalled.signal, end };
};

/** What the store answers with, ended when it stops giving; a fault on the way is the store's. */
export const bodyOf = (answer: unknown): Readable => {
  const source = answer as Readable;
  const stall = watch(() => source.destroy(new Error('the store stopped giving')));
  async function* read(): AsyncGenerator<Uint8Array> {
    try {
      stall.arm();
      for await (const bytes of source) {
        stall.disarm();
        yield bytes as Uint8Array;
        stall.arm();
      }
    } catch (error) {
      away(error);
    } finally {
      stall.disarm();
    }
  }
  const body = Readable.from(read(), { objectMode: false });
  // One that is destroyed before it is read never enters the loop that would end the source.
  source.on('error', () => undefined);
  body.once('close', () => source.destroy());
  return body;
};
