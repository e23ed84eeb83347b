import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CaasError, newTraceparent, type Runnable, traceIdOf } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import type { Logger } from '@caas/kit/log';
import { bareAnswer, problemOf } from '@caas/kit/problem';
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
  /** How long open requests may take after the signal, in milliseconds. */
  drainMs: number;
  logger: Logger;
}

/** Status and reason for what the parser of node refuses before there is a request. */
const parserFault = (code: string | undefined): [number, CaasError] => {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return [431, new CaasError('FRAME_TOO_LARGE', `the headers exceed ${maxHeaderBytes} bytes`)];
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return [408, new CaasError('DEADLINE_EXCEEDED', 'the request did not arrive in time')];
  }
  return [400, new CaasError('MALFORMED_FRAME', 'not an HTTP request')];
};

/** Serves HTTP with its limits; on the signal takes no more connections and lets open requests finish. */
export const listen = async (handler: RequestListener, options: ListenOptions): Promise<HttpServer> => {
  const { host, port, drainMs, logger } = options;
  const server = createServer({
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: 1_000,
  });
  server.maxConnections = maxConnections;
  let draining = false;
  server.on('request', (request, response) => {
    if (draining) response.setHeader('connection', 'close');
    handler(request, response);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy();
    const traceparent = newTraceparent();
    const [status, refusal] = parserFault(error.code);
    socket.end(bareAnswer(problemOf(refusal, traceIdOf(traceparent), status), traceparent));
  });
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
