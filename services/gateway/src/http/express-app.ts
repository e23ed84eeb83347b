import { CaasError } from '@caas/kit';
import type { Logger } from '@caas/kit/log';
import { problemOf } from '@caas/kit/problem';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { refuseTokenInUrl } from './credentials.ts';
import { refusalOf } from './refusal.ts';
import type { Route } from './route.ts';
import { type RouteDeps, serveRoute } from './serve-route.ts';
import { traced, traceIdOfAnswer } from './trace.ts';

const guarded: RequestHandler = (request, response, next) => {
  // Answers are for whoever asked; what may be kept says so itself.
  response.set('cache-control', 'no-store');
  refuseTokenInUrl(request.originalUrl);
  next();
};

/** Method and path template, never the URL as sent: it may hold what people should not have put there. */
const logged =
  (logger: Logger): RequestHandler =>
  (request, response, next) => {
    const startedAt = performance.now();
    response.on('close', () => {
      logger.debug(
        {
          method: request.method,
          route: (request.route as { path?: string } | undefined)?.path ?? 'none',
          status: response.statusCode,
          finished: response.writableFinished,
          elapsed_ms: Math.round(performance.now() - startedAt),
          trace_id: traceIdOfAnswer(response),
        },
        'request',
      );
    });
    next();
  };

const refuse =
  (logger: Logger): ErrorRequestHandler =>
  (thrown, request, response, next) => {
    const error = refusalOf(thrown);
    const traceId = traceIdOfAnswer(response);
    const fields = { method: request.method, reason: error.reason, trace_id: traceId };
    if (error.reason === 'INTERNAL') logger.error({ ...fields, err: error.cause ?? error }, 'request failed');
    else logger.debug({ ...fields, details: error.details, err: error.cause }, 'request refused');
    if (response.headersSent) return next(thrown);
    const { status, headers, body } = problemOf(error, traceId);
    response.status(status).set(headers);
    // Not `json`: it would put its own content type.
    response.end(body);
    // A body that was refused unread must not be waited for.
    if (!request.complete) response.once('finish', () => request.destroy());
  };

/** Paths as Express writes parameters. */
const expressPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

const methodNotAllowed = (methods: readonly string[]): RequestHandler => {
  const allowed = methods.flatMap((method) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]));
  return (request, response) => {
    response.set('allow', allowed.join(', '));
    throw new CaasError('METHOD_NOT_ALLOWED', `this path does not serve ${request.method}`, {
      details: { allow: allowed.join(', ') },
    });
  };
};

const notFound: RequestHandler = () => {
  throw new CaasError('NOT_FOUND', 'there is nothing at this path');
};

export interface ExpressOptions extends RouteDeps {
  routes: readonly Route[];
  /** Number of proxies in front to believe; 0: none. */
  trustProxy: number;
  logger: Logger;
}

/** The routes behind everything that holds for all of them. */
export const expressApp = (options: ExpressOptions): Express => {
  const { routes, trustProxy, logger } = options;
  const app = express();
  app.disable('x-powered-by').disable('etag');
  app.set('query parser', false).set('trust proxy', trustProxy).set('case sensitive routing', true);
  app.use(traced, logged(logger), helmet(), guarded);
  for (const [path, group] of Map.groupBy(routes, (route) => route.path)) {
    const at = app.route(expressPath(path));
    for (const route of group) at[route.method](serveRoute(route, options));
    at.all(methodNotAllowed(group.map((route) => route.method)));
  }
  app.use(notFound);
  app.use(refuse(logger));
  return app;
};
