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

const bound = (port: number): Promise<ReturnType<typeof createServer> | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, host, () => resolve(server));
  });

const portOf = (server: ReturnType<typeof createServer>): number => (server.address() as { port: number }).port;

/** True when nobody has the port. */
export const isFree = async (port: number): Promise<boolean> => {
  const server = await bound(port);
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  return server !== undefined;
};

/** That many free ports, all different. Another program may take one before it is used. */
export const freePorts = async (count: number): Promise<number[]> => {
  const servers = await Promise.all(Array.from({ length: count }, () => bound(0)));
  const open = servers.filter((server) => server !== undefined);
  const ports = open.map(portOf);
  await Promise.all(open.map((server) => new Promise((resolve) => server.close(resolve))));
  if (ports.length < count) throw new Error('there are no free ports on 127.0.0.1');
  return ports;
};
