import type { RequestListener, ServerOptions } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigError } from './config.ts';
import { AddressSockets, createHttpEdge } from './http-edge.ts';
import type { Runnable } from './lifecycle.ts';
import type { Logger } from './log.ts';

/** How often connections that fell idle are closed while draining, in milliseconds. */
const drainSweepMs = 20;

export interface HttpServer extends Runnable {
  /** `http://host:port` with the port that was bound. */
  readonly url: string;
  readonly port: number;
  /** Ends all connections at once, as a crash would. */
  crash(): void;
}

export interface ListenOptions {
  /** The service, for messages. */
  name: string;
  host: string;
  port: number;
  /** How long open requests may take after the signal, in milliseconds. */
  drainMs: number;
  /** Times and sizes of requests. */
  limits: Pick<ServerOptions, 'maxHeaderSize' | 'headersTimeout' | 'requestTimeout' | 'keepAliveTimeout'>;
  /** Open connections; more are closed at once. */
  maxConnections: number;
  /** Open connections of one address, idle ones included; more are cut off. 0: any number. */
  maxPerAddress: number;
  /** How long a connection in use may be silent, in milliseconds; 0: for ever. */
  silenceMs?: number;
  logger: Logger;
}

/** Serves HTTP with its limits; on the signal takes no more connections and lets open requests finish. */
export const listenHttp = async (handler: RequestListener, options: ListenOptions): Promise<HttpServer> => {
  const { name, host, port, drainMs, limits, maxConnections, maxPerAddress, silenceMs = 0, logger } = options;
  let draining = false;
  const server = createHttpEdge({ ...limits, sockets: new AddressSockets(maxPerAddress) }, (request, response) => {
    if (draining) response.setHeader('connection', 'close');
    handler(request, response);
  });
  server.maxConnections = maxConnections;
  server.setTimeout(silenceMs);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new ConfigError(`${name} cannot listen on ${host}:${port}: the port is taken`)
          : error,
      ),
    );
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    name: `${name} http`,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    port: bound,
    crash() {
      server.close();
      server.closeAllConnections();
    },
    async run(signal) {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      draining = true;
      const overdue = setTimeout(() => {
        logger.warn({ drain_ms: drainMs }, 'requests cut off at shutdown');
        server.closeAllConnections();
      }, drainMs);
      // Node closes the connections that are idle now; those that become idle later would be kept for their next request.
      const sweep = setInterval(() => server.closeIdleConnections(), drainSweepMs);
      await new Promise((resolve) => server.close(resolve));
      clearInterval(sweep);
      clearTimeout(overdue);
    },
  };
};
