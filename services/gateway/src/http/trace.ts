import { traceIdOf, traceparentOr } from '@caas/kit';
import type { RequestHandler, Response } from 'express';

/** Takes up the caller's trace, or begins one, and tells it with every answer. */
export const traced: RequestHandler = (request, response, next) => {
  const { traceparent } = request.headers;
  response.locals['traceparent'] = traceparentOr(typeof traceparent === 'string' ? traceparent : undefined);
  response.set('traceparent', traceparentOf(response));
  next();
};

/** The W3C trace context of the request an answer belongs to. */
export const traceparentOf = (response: Response): string => response.locals['traceparent'] as string;

/** Its trace id, 32 hex digits. */
export const traceIdOfAnswer = (response: Response): string => traceIdOf(traceparentOf(response));
