import type { Reason } from '@caas/kit';
import type { Claims } from '@caas/proto/caas/common/v1/claims';
import type { ZodType, z } from 'zod';

/** What counts a request against limits; see rate-limits.ts. */
export type RateClass = 'issue' | 'refresh' | 'other' | 'none';

/** A request as routes see it, parsed and judged. */
export interface RouteRequest<Body, Params> {
  body: Body;
  params: Params;
  /** Address of the client, or of the last proxy that is not trusted. */
  remoteAddress: string;
  traceparent: string;
  /** Aborts when the client has gone. */
  signal: AbortSignal;
  /** Verified claims, with `bearer: true`. */
  claims: Claims;
  /** Counts one more use against a limit; throws RATE_LIMITED past it. With 0 points it only throws, past the limit. */
  count(rule: 'tokensPerApp' | 'tokenFailures', key: string, points?: number): Promise<void>;
}

export interface RouteAnswer<Response> {
  status: 200 | 204;
  body?: Response;
  headers?: Readonly<Record<string, string>>;
}

/** One verb on one path: what validates it, what documents it and what does it. */
export interface Route<Body = unknown, Params = unknown, Response = unknown> {
  method: 'get' | 'post' | 'delete';
  /** With parameters as OpenAPI writes them: `/sessions/{session_id}`. */
  path: string;
  /** What generated clients call it; never changed. */
  operationId: string;
  summary: string;
  /** True: a verified access token is required. */
  bearer: boolean;
  rate: RateClass;
  body?: ZodType<Body>;
  params?: ZodType<Params>;
  /** Schema of the body of a 200; absent: the answer is 204. */
  response?: ZodType<Response>;
  /** Whether a body is served though its address is past its limit: strangers there must not stop whom we know. */
  known?(body: Body): boolean;
  /** Reasons of its own, besides those of every route. */
  reasons: readonly Reason[];
  handle(request: RouteRequest<Body, Params>): Promise<RouteAnswer<Response>>;
}

interface RouteOptions<B extends ZodType, P extends ZodType, R extends ZodType> {
  body?: B;
  params?: P;
  response?: R;
  known?(body: z.output<B>): boolean;
  handle(request: RouteRequest<z.output<B>, z.output<P>>): Promise<RouteAnswer<z.input<R>>>;
}

/** A route whose handler is typed by its schemas. */
export const route = <B extends ZodType, P extends ZodType, R extends ZodType>(
  options: Omit<Route, 'body' | 'params' | 'response' | 'known' | 'handle'> & RouteOptions<B, P, R>,
): Route => options as unknown as Route;
