import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Answers pass in pieces of so many bytes, one each so many milliseconds. */
const pieceBytes = 256;
const pieceMs = 20;

/** A link to a local port over which requests pass at once and answers slowly, but steadily. */
export const openSlowLink = async (toPort: number) => {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(toPort, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket.on('error', () => undefined));
      socket.once('close', () => [near, far].map((each) => each.destroy()));
    }
    near.pipe(far);
    (async () => {
      for await (const bytes of far as AsyncIterable<Buffer>)
        for (let at = 0; at < bytes.length; at += pieceBytes) {
          near.write(bytes.subarray(at, at + pieceBytes));
          if (bytes.length > pieceBytes) await sleep(pieceMs);
        }
    })().catch(() => near.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    close(): void {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
};
