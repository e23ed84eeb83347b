import { CaasError, fail } from '@caas/kit';
import type { GrpcClient } from '@caas/kit/grpc';
import type { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';
import type { Claims } from '@caas/proto/caas/common/v1/claims';
import express, { type Request, type RequestHandler, type Response } from 'express';
import type { ZodType } from 'zod';
import { maxBodyBytes, maxSuspectBodyBytes } from '../limits.ts';
import { bearerOf, verifiedClaims } from './credentials.ts';
import { parsed } from './parsed.ts';
import {
  type GatewayRates,
  orRateLimited,
  type RateName,
  type RateStanding,
  rateHeaders,
  tighter,
} from './rate-limits.ts';
import type { RateClass, Route } from './route.ts';
import { traceparentOf } from './trace.ts';

const addressLimits: Readonly<Record<RateClass, RateName | undefined>> = {
  issue: 'tokensPerAddress',
  refresh: 'refreshesPerAddress',
  other: 'requestsPerAddress',
  none: undefined,
};

const parseJson = express.json({
  limit: maxBodyBytes,
  strict: false,
  inflate: false,
  type: () => true,
  // Without this nothing at all would be read as {}.
  verify: (_request, _response, bytes) => {
    if (bytes.length === 0) throw new TypeError('empty body');
  },
});

const readBody = async (request: Request, response: Response): Promise<unknown> => {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    fail('PAYLOAD_NOT_JSON', 'the body must be JSON of content type application/json', {
      details: { field: 'content-type' },
    });
  }
  await new Promise<void>((resolve, reject) => {
    parseJson(request, response, (error?: unknown) => (error ? reject(error) : resolve()));
  });
  return request.body;
};

/** Throws the refusal when the body is too long, or does not say how long it is, to be read from who is past a limit. */
const shortOr = (refusal: CaasError, request: Request): void => {
  const length = Number(request.headers['content-length'] ?? Number.NaN);
  if (!(length <= maxSuspectBodyBytes)) throw refusal;
};

interface Counted {
  /** Counts points against the address's invalid bodies; the refusal when it is past its limit. */
  invalid(points: number): Promise<CaasError | undefined>;
  /** Of a request that is past its address's limit already. */
  refusal: CaasError | undefined;
}

/**
 * The body as the route's schema reads it. One that it does not read counts against its address. Addresses are shared: past
 * a limit short bodies are read all the same, and only those that are not valid, or not of whom we know, are refused.
 */
const bodyOf = async (route: Route, request: Request, response: Response, counted: Counted): Promise<unknown> => {
  const suspect = counted.refusal ?? (await counted.invalid(0));
  if (suspect) shortOr(suspect, request);
  let body: unknown;
  try {
    body = parsed(route.body as ZodType, await readBody(request, response));
  } catch (thrown) {
    throw suspect ?? (await counted.invalid(1)) ?? thrown;
  }
  if (counted.refusal && !route.known?.(body)) throw counted.refusal;
  return body;
};

export interface RouteDeps {
  rates: GatewayRates;
  tokens: Pick<GrpcClient<typeof TokenServiceService>, 'verifyTokens'>;
}

/** The refusal of who is past a limit; whatever else was thrown is thrown on. */
const asRateLimited = (thrown: unknown): CaasError => {
  if (thrown instanceof CaasError && thrown.reason === 'RATE_LIMITED') return thrown;
  throw thrown;
};

const noClaims: Claims = { tenantId: '', appId: '', userId: '', sessionId: '', scopes: [], expiresAtMs: 0 };

/** What serves a route: count, authenticate, parse, handle, answer; whatever is thrown goes to the error handler. */
export const serveRoute = (route: Route, { rates, tokens }: RouteDeps): RequestHandler => {
  return async (request, response) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort(new CaasError('UNAVAILABLE', 'the client has gone')));
    const call = { traceparent: traceparentOf(response), signal: gone.signal };
    const remoteAddress = request.ip ?? '';

    let standing: RateStanding | undefined;
    const count = async (name: RateName, key: string, points = 1): Promise<void> => {
      const next = await rates.take(name, key, points);
      // Who has not used a limit is told nothing of how others stand with it.
      if (points > 0 || !next.verdict.allowed) {
        standing = tighter(standing, next);
        response.set(rateHeaders(standing));
      }
      orRateLimited(next);
    };
    const refused = (name: RateName, points: number): Promise<CaasError | undefined> =>
      count(name, remoteAddress, points).then(() => undefined, asRateLimited);
    const addressLimit = addressLimits[route.rate];
    const refusal = addressLimit && (await refused(addressLimit, 1));
    if (refusal && !route.known) throw refusal;

    const claims = route.bearer
      ? await verifiedClaims(tokens, bearerOf(request.headers.authorization), call)
      : noClaims;
    const params = route.params ? parsed(route.params, { ...request.params }) : undefined;
    const counted: Counted = { refusal, invalid: (points) => refused('invalidBodies', points) };
    const body = route.body ? await bodyOf(route, request, response, counted) : undefined;
    const answer = await route.handle({ ...call, body, params, claims, remoteAddress, count });
    response.status(answer.status);
    if (answer.headers) response.set(answer.headers);
    if (answer.body === undefined) response.end();
    else response.json(answer.body);
  };
};
