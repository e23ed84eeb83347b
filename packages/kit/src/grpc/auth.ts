import { timingSafeEqual } from 'node:crypto';
import { ChannelCredentials, type Metadata, ServerCredentials } from '@grpc/grpc-js';
import { ConfigError } from '../config.ts';

/** Name of the caller that acts for an operator of the platform; only the operator's own token proves it. */
export const operator = 'operator';

/** How services prove to each other who they are, the same object for both ends of a call. */
export interface ServiceAuth {
  /** True when the transport is encrypted, so that a server may listen beyond this machine. */
  readonly encrypted: boolean;
  readonly serverCredentials: ServerCredentials;
  readonly channelCredentials: ChannelCredentials;
  /** Adds to a call what proves that it comes from the service of this name. */
  sign(metadata: Metadata, callerName: string): void;
  /**
   * Verified name of the caller; undefined when it proves none. `peerName` is the name in the client's certificate
   * where the transport checked one: mutual TLS needs nothing else.
   */
  identify(metadata: Metadata, peerName: string | undefined): string | undefined;
}

const tokenKey = 'caas-service-token';
const nameKey = 'caas-service';

/** What travels as metadata unchanged. */
const tokenPattern = /^[\w~.+/=-]+$/;

/** HTTP/2 joins what is said twice with a comma; then neither counts, or one could add a name to another's. */
const single = (metadata: Metadata, key: string): string | undefined => {
  const values = metadata.get(key);
  const [value] = values;
  return values.length === 1 && typeof value === 'string' && tokenPattern.test(value) ? value : undefined;
};

/** In constant time for tokens of the right length; the length itself is no secret. */
const equal = (given: string, expected: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
};

/** Throws unless the token can travel as metadata. */
export const checkToken = (token: string): void => {
  if (!tokenPattern.test(token)) throw new TypeError('a service token is letters, digits and _~.+/=- only');
};

/** Proves names by tokens that both ends know; a name without one can't be proven. */
export const tokenProof = (tokenOf: (name: string) => string | undefined) => ({
  sign(metadata: Metadata, name: string): void {
    const token = tokenOf(name);
    if (token === undefined) return;
    metadata.set(nameKey, name);
    metadata.set(tokenKey, token);
  },
  /** Name the call claims, proven or not. */
  claimed: (metadata: Metadata): string | undefined => single(metadata, nameKey),
  identify(metadata: Metadata): string | undefined {
    const name = single(metadata, nameKey);
    const proof = single(metadata, tokenKey);
    const expected = name === undefined ? undefined : tokenOf(name);
    return proof !== undefined && expected !== undefined && equal(proof, expected) ? name : undefined;
  },
});

export interface SharedTokenOptions {
  /** Made at start and known to every service of this process. */
  token: string;
  /** The operator's token, where this process serves or makes operator calls; never the same as `token`. */
  operatorToken?: string;
}

/** For services of one machine: whoever holds the shared token says which service it is; loopback only. */
export const sharedTokenAuth = ({ token, operatorToken }: SharedTokenOptions): ServiceAuth => {
  for (const each of [token, operatorToken ?? token]) checkToken(each);
  if (token === operatorToken) throw new ConfigError('the operator token must differ from the service token');
  const proof = tokenProof((name) => (name === operator ? operatorToken : token));
  return {
    encrypted: false,
    serverCredentials: ServerCredentials.createInsecure(),
    channelCredentials: ChannelCredentials.createInsecure(),
    sign: proof.sign,
    identify: proof.identify,
  };
};
