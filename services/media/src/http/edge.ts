import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type CaasError, fail, toCaasError, traceIdOf } from '@caas/kit';
import { traceparentIn } from '@caas/kit/http';
import { problemOf } from '@caas/kit/problem';
import helmet from 'helmet';
import type { MediaCore } from '../core.ts';
import { getRendition } from './get-rendition.ts';
import { putPart } from './put-part.ts';
import type { Grant } from './signed-urls.ts';

/** What a request is answered by, once its address has proved what it grants. */
export type Served = (request: IncomingMessage, response: ServerResponse, grant: Grant) => Promise<void>;

const acts = { 'put part': ['PUT'], 'get rendition': ['GET', 'HEAD'] } as const;

/** Whatever is shown from here runs nothing, loads nothing, and is no document of its own. */
const guarded = helmet({
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], sandbox: [] } },
  // Addresses are the right to read; who has one reads from wherever it is.
  crossOriginResourcePolicy: { policy: 'cross-origin' },
});

/** No cookie or login of a browser counts here; which pages may use an address is the operator's to narrow. */
const cors = (request: IncomingMessage, response: ServerResponse, allowed: readonly string[]): void => {
  const { origin } = request.headers;
  if (allowed.includes('*')) response.setHeader('access-control-allow-origin', '*');
  else {
    response.setHeader('vary', 'origin');
    if (origin === undefined || !allowed.includes(origin)) return;
    response.setHeader('access-control-allow-origin', origin);
  }
  response.setHeader(
    'access-control-expose-headers',
    'content-length, content-range, content-disposition, retry-after, traceparent',
  );
};

const preflight = (response: ServerResponse): void => {
  response.setHeader('access-control-allow-methods', 'GET, HEAD, PUT');
  response.setHeader('access-control-allow-headers', 'content-type, range, traceparent');
  response.setHeader('access-control-max-age', '600');
  response.writeHead(204).end();
};

const refuse = (request: IncomingMessage, response: ServerResponse, error: CaasError, traceId: string): void => {
  if (response.headersSent) return void response.destroy();
  const { status, headers, body } = problemOf(error, traceId);
  // A body that was refused unread must not be waited for.
  if (!request.complete) response.once('finish', () => request.destroy());
  for (const name of ['accept-ranges', 'content-length', 'content-range', 'content-disposition', 'cache-control'])
    response.removeHeader(name);
  response.writeHead(status, { ...headers, 'cache-control': 'no-store', 'content-length': Buffer.byteLength(body) });
  response.end(request.method === 'HEAD' ? undefined : body);
};

/** Bytes in and out, by signed addresses alone. */
export const mediaEdge = (core: MediaCore): RequestListener => {
  const serve: Readonly<Record<Grant['act'], Served>> = {
    'put part': putPart(core),
    'get rendition': getRendition(core),
  };
  const served = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    cors(request, response, core.config.allowedOrigins);
    if (request.method === 'OPTIONS') return preflight(response);
    const url = URL.parse(request.url ?? '', 'http://media');
    const grant =
      (url && core.urls.grantOf(url.pathname, url.searchParams)) ??
      fail('PERMISSION_DENIED', 'this address was not made here');
    const methods: readonly string[] = acts[grant.act];
    if (!methods.includes(request.method ?? '')) {
      response.setHeader('allow', methods.join(', '));
      fail('METHOD_NOT_ALLOWED', `this address does not serve ${request.method}`, {
        details: { allow: methods.join(', ') },
      });
    }
    if (grant.expiresAtMs <= core.clock.now()) fail('PERMISSION_DENIED', 'this address has expired');
    await serve[grant.act](request, response, grant);
  };
  return (request, response) => {
    const traceparent = traceparentIn(request);
    const traceId = traceIdOf(traceparent);
    response.setHeader('traceparent', traceparent);
    guarded(request, response, () => {
      served(request, response).catch((thrown: unknown) => {
        // A peer that went away is nobody to tell.
        if (request.destroyed && !request.complete) return void response.destroy();
        const error = toCaasError(thrown);
        const fields = { reason: error.reason, trace_id: traceId, method: request.method };
        if (error.reason === 'INTERNAL') core.logger.error({ ...fields, err: error.cause ?? error }, 'request failed');
        else core.logger.debug({ ...fields, details: error.details }, 'request refused');
        refuse(request, response, error, traceId);
      });
    });
  };
};
