import { createReadStream } from 'node:fs';
import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { CaasError } from '@caas/kit';
import { maxScanReplyBytes, maxScanSilenceMs } from '../limits.ts';
import type { Scanner } from './port.ts';

/** The file as INSTREAM takes it (clamd(8)): chunks after their length, ended by an empty one. */
async function* instream(file: string): AsyncGenerator<Buffer> {
  yield Buffer.from('zINSTREAM\0');
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(chunk.length);
    yield length;
    yield chunk;
  }
  yield Buffer.alloc(4);
}

const away = (cause: unknown): CaasError => new CaasError('UNAVAILABLE', 'the malware scanner is away', { cause });

const verdictOf = (reply: string): Awaited<ReturnType<Scanner['scan']>> => {
  const [, found] = /^stream: (.+) FOUND$/.exec(reply) ?? [];
  if (found !== undefined) return { found };
  if (reply === 'stream: OK') return 'clean';
  if (/size limit exceeded/i.test(reply)) return 'not scanned';
  throw away(new Error(`clamd says ${JSON.stringify(reply.slice(0, 200))}`));
};

/** clamd at `host:port`: files go there in the clear, so it is one of this machine or behind a tunnel. */
export const clamdScanner = (address: string): Scanner => ({
  async scan(file) {
    const at = address.lastIndexOf(':');
    const socket = connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)) });
    socket.setTimeout(maxScanSilenceMs, () => socket.destroy(new Error('it says nothing')));
    let reply = '';
    const answered = (async () => {
      for await (const bytes of socket as AsyncIterable<Buffer>) {
        reply += bytes.toString();
        if (reply.includes('\0') || reply.length > maxScanReplyBytes) break;
      }
      return reply.split('\0')[0] ?? '';
    })();
    // It may answer and close before it has all: then its answer counts, not that it did not take the rest.
    const sent = pipeline(instream(file), socket, { end: false }).catch(() => undefined);
    try {
      return verdictOf((await answered).trim());
    } catch (error) {
      throw error instanceof CaasError ? error : away(error);
    } finally {
      socket.destroy();
      await sent;
    }
  },
});
