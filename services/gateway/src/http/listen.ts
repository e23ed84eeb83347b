import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Runnable } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { AddressSockets, createHttpEdge } from '@caas/kit/http';
import type { Logger } from '@caas/kit/log';
import { headersTimeoutMs, keepAliveTimeoutMs, maxConnections, maxHeaderBytes, requestTimeoutMs } from '../limits.ts';

/** How often connections that fell idle are closed while draining, in milliseconds. */
const drainSweepMs = 20;

export interface HttpServer extends Runnable {
  /** `http://host:port` with the port that was bound. */
  readonly url: string;
}

export interface ListenOptions {
  host: string;
  port: number;
  /** Open connections of one address, idle ones included; more are cut off. 0: any number. */
  maxPerAddress: number;
  /** How long open requests may take after the signal, in milliseconds. */
  drainMs: number;
  logger: Logger;
}

/** Serves HTTP with its limits; on the signal takes no more connections and lets open requests finish. */
export const listen = async (handler: RequestListener, options: ListenOptions): Promise<HttpServer> => {
  const { host, port, maxPerAddress, drainMs, logger } = options;
  let draining = false;
  const limits = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    sockets: new AddressSockets(maxPerAddress),
  };
  const server = createHttpEdge(limits, (request, response) => {
    if (draining) response.setHeader('connection', 'close');
    handler(request, response);
  });
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new ConfigError(`gateway cannot listen on ${host}:${port}: the port is taken`)
          : error,
      ),
    );
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    name: 'gateway http',
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
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
