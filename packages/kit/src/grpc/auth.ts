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

/** HTTP/2 joins what is said twice with a comma; then neither counts, or one could add a name to another's. */
const single = (metadata: Metadata, key: string): string | undefined => {
  const values = metadata.get(key);
  const [value] = values;
  return values.length === 1 && typeof value === 'string' && /^[\w~.+/=-]+$/.test(value) ? value : undefined;
};

/** In constant time for tokens of the right length; the length itself is no secret. */
const equal = (given: string, expected: Buffer): boolean => {
  const bytes = Buffer.from(given);
  return bytes.length === expected.length && timingSafeEqual(bytes, expected);
};

export interface SharedTokenOptions {
  /** Made at start and known to every service of this process. */
  token: string;
  /** The operator's token, where this process serves or makes operator calls; never the same as `token`. */
  operatorToken?: string;
}

/** For services of one machine: whoever holds the shared token says which service it is; loopback only. */
export const sharedTokenAuth = ({ token, operatorToken }: SharedTokenOptions): ServiceAuth => {
  for (const each of [token, operatorToken ?? token]) {
    if (!/^[\w~.+/=-]+$/.test(each)) throw new TypeError('a service token is letters, digits and _~.+/=- only');
  }
  if (token === operatorToken) throw new ConfigError('the operator token must differ from the service token');
  const tokenOf = (name: string): string | undefined => (name === operator ? operatorToken : token);
  const shared = Buffer.from(token);
  const ofOperator = operatorToken === undefined ? undefined : Buffer.from(operatorToken);
  return {
    encrypted: false,
    serverCredentials: ServerCredentials.createInsecure(),
    channelCredentials: ChannelCredentials.createInsecure(),
    sign(metadata, callerName) {
      const proof = tokenOf(callerName);
      if (proof === undefined) return;
      metadata.set(nameKey, callerName);
      metadata.set(tokenKey, proof);
    },
    identify(metadata) {
      const name = single(metadata, nameKey);
      const proof = single(metadata, tokenKey);
      const expected = name === operator ? ofOperator : shared;
      return proof !== undefined && expected && equal(proof, expected) ? name : undefined;
    },
  };
};
