import type { IncomingMessage } from 'node:http';
import { CaasError, hasCredentialInUrl } from '@caas/kit';
import { type Subprotocol, subprotocols } from './frames.ts';

/** What an upgrade request asks for. */
export interface Handshake {
  subprotocol: Subprotocol;
  token: string;
  origin: string | undefined;
  traceparent: string | undefined;
}

const bearerPrefix = 'bearer.';
/** Greatest token in bytes: auth refuses a call that carries a longer one, and with it the tokens of others. */
const maxTokenBytes = 4096;

const header = (request: IncomingMessage, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

const offered = (request: IncomingMessage): string[] =>
  (header(request, 'sec-websocket-protocol') ?? '').split(',').map((part) => part.trim());

/** The subprotocol to speak, or undefined when the client offers none of ours. */
export const chooseSubprotocol = (request: IncomingMessage): Subprotocol | undefined => {
  const protocols = offered(request);
  return subprotocols.find((name) => protocols.includes(name));
};

/** Reads the credential; throws TOKEN_IN_URL or UNAUTHENTICATED. */
export const readHandshake = (request: IncomingMessage, subprotocol: Subprotocol): Handshake => {
  if (hasCredentialInUrl(request.url ?? '/'))
    throw new CaasError('TOKEN_IN_URL', 'a credential came in the URL; treat it as leaked');
  const authorization = header(request, 'authorization');
  const token =
    authorization !== undefined
      ? /^Bearer ([^\s]+)$/i.exec(authorization)?.[1]
      : offered(request)
          .find((p) => p.startsWith(bearerPrefix))
          ?.slice(bearerPrefix.length);
  if (!token)
    throw new CaasError('UNAUTHENTICATED', 'no access token: send it as a header or as the second subprotocol');
  if (token.length > maxTokenBytes)
    throw new CaasError('UNAUTHENTICATED', `an access token has at most ${maxTokenBytes} bytes`);
  return { subprotocol, token, origin: header(request, 'origin'), traceparent: header(request, 'traceparent') };
};

/** ORIGIN_NOT_ALLOWED for a browser of an origin the tenant does not list; an empty list allows all. */
export const assertOrigin = (origin: string | undefined, allowed: readonly string[]): void => {
  if (origin !== undefined && allowed.length > 0 && !allowed.includes(origin)) {
    throw new CaasError('ORIGIN_NOT_ALLOWED', "the origin is not in the tenant's list");
  }
};
