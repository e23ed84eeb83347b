import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';

const host = '127.0.0.1';

/** True when something accepts connections there. */
export const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** The first answer to a line sent there, undefined when none comes within a second. */
export const answerOf = (port: number, line: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ host, port }, () => socket.write(line));
    const end = (answer?: string): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, end);
    socket.once('data', (data) => end(data.toString()));
    socket.once('error', () => end());
    socket.once('close', () => end());
  });

/** True when nobody has the port. */
export const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });

/**
 * Below the ports that systems give to outgoing connections: there a client that asks for a server that is down can get the
 * server's own port, be connected with itself, and keep the server from coming back.
 */
const range = { from: 10_000, to: 30_000 };
const maxAttempts = 100;

/** That many free ports in a row. Another program may take one before it is used. */
export const freePorts = async (count: number): Promise<number[]> => {
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const first = randomInt(range.from, range.to - count);
    const row = Array.from({ length: count }, (_, index) => first + index);
    if ((await Promise.all(row.map(isFree))).every(Boolean)) return row;
  }
  throw new Error(`there are no ${count} free ports in a row on ${host}`);
};
