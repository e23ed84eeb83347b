import { type Route, route } from '../http/route.ts';
import { jwksMaxAgeSeconds, probeFreshMs } from '../limits.ts';
import * as schemas from '../schemas/operations.ts';
import type { AuthClients } from './clients.ts';
import { freshFor } from './fresh.ts';

/** The public keys access tokens are signed with. */
export const jwks = ({ tokens }: AuthClients): Route => {
  const keys = freshFor(probeFreshMs, () => tokens.getKeys({}));
  return route({
    method: 'get',
    path: '/.well-known/jwks.json',
    operationId: 'getKeys',
    summary: 'Public keys to verify access tokens with (RFC 7517)',
    bearer: false,
    rate: 'none',
    response: schemas.jwks,
    reasons: [],
    async handle() {
      const { jwksJson } = await keys();
      return {
        status: 200,
        body: JSON.parse(jwksJson),
        headers: { 'cache-control': `public, max-age=${jwksMaxAgeSeconds}`, 'access-control-allow-origin': '*' },
      };
    },
  });
};
