import type { RequestListener } from 'node:http';
import { type HttpServer, type ListenOptions, listenHttp } from '@caas/kit/listen';
import { headersTimeoutMs, keepAliveTimeoutMs, maxConnections, maxHeaderBytes, requestTimeoutMs } from '../limits.ts';

/** Serves HTTP with the gateway's limits; on the signal takes no more connections and lets open requests finish. */
export const listen = (
  handler: RequestListener,
  options: Pick<ListenOptions, 'host' | 'port' | 'maxPerAddress' | 'drainMs' | 'logger'>,
): Promise<HttpServer> =>
  listenHttp(handler, {
    ...options,
    name: 'gateway',
    limits: {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
    },
    maxConnections,
  });
