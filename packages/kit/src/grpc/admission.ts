import type { Claims } from '@caas/proto/caas/common/v1/claims';
import type { Metadata } from '@grpc/grpc-js';
import type { MethodPolicy } from '../contract/index.ts';
import { CaasError, fail } from '../errors.ts';
import { operator, type ServiceAuth } from './auth.ts';

/** Verified name of the caller, when it may call the method at all. The details tell it from a user's refusal. */
export const admitCaller = (
  { name, rule }: MethodPolicy,
  auth: ServiceAuth,
  metadata: Metadata,
  peerName: string | undefined,
): string => {
  const caller = auth.identify(metadata, peerName);
  if (caller === undefined) {
    return fail('UNAUTHENTICATED', 'the calling service did not prove who it is', {
      details: { subject: 'caller', method: name },
    });
  }
  const listed = rule.callers.includes('*') || rule.callers.includes(caller);
  if (!listed || (rule.scope === operator && caller !== operator)) {
    fail('PERMISSION_DENIED', `${caller} may not call ${name}`, {
      details: { subject: 'caller', caller, method: name },
    });
  }
  return caller;
};

/** Throws unless the request could be read, is within its limits and its claims hold the scope of the method. */
export const admitRequest = ({ name, rule, checkLimits, carriesClaims }: MethodPolicy, request: unknown): void => {
  if (request instanceof CaasError) throw request;
  checkLimits(request as object);
  if (rule.scope === '' || rule.scope === operator || !carriesClaims) return;
  const { claims } = request as { claims?: Claims };
  if (!claims) fail('UNAUTHENTICATED', `${name} requires verified claims`, { details: { method: name } });
  else if (!claims.scopes.includes(rule.scope)) {
    fail('PERMISSION_DENIED', `${name} requires the scope ${rule.scope}`, {
      details: { scope: rule.scope, method: name },
    });
  }
};

/** Reads a request; bytes that are not one become the refusal itself, so that it leaves like every other. */
export const readable =
  (deserialize: (bytes: Buffer) => unknown) =>
  (bytes: Buffer): unknown => {
    try {
      return deserialize(bytes);
    } catch (cause) {
      return new CaasError('MALFORMED_FRAME', 'the request could not be decoded', { cause });
    }
  };
