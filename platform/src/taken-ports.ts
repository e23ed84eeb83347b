import { createServer } from 'node:net';

/** Something to listen on, and the variable that moves it. */
export interface WantedPort {
  host: string;
  port: number;
  variable: string;
}

/** Those of the ports that somebody listens on already, looked at together: told one by one they cost a start each. */
export const takenPorts = async (wanted: readonly WantedPort[]): Promise<WantedPort[]> => {
  const free = await Promise.all(wanted.map(({ host, port }) => port === 0 || isFree(host, port)));
  return wanted.filter((_, at) => !free[at]);
};

const isFree = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    // Any other fault is told by whoever listens there.
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'EADDRINUSE'));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
