import { Error as WireError } from '@caas/proto/caas/common/v1/errors';
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { CaasError, fromWireError, type Reason, ruleOf, toWireError } from '../errors.ts';

/** Trailer with the encoded caas.common.v1.Error. */
const trailerKey = 'caas-error-bin';
/** Metadata that carries the W3C trace context. */
export const traceparentKey = 'traceparent';

/** A refusal as gRPC sends it: status by the table, the whole error in the trailer. */
export const toStatus = (error: CaasError, traceId: string): StatusObject => {
  const metadata = new Metadata();
  metadata.set(trailerKey, Buffer.from(WireError.encode(toWireError(error, traceId)).finish()));
  return { code: ruleOf(error.reason).grpc, details: error.message, metadata };
};

/** Reason for a status that came without our trailer: from the transport, a proxy or another implementation. */
const reasonByStatus: Readonly<Record<number, Reason>> = {
  [status.CANCELLED]: 'UNAVAILABLE',
  [status.INVALID_ARGUMENT]: 'INVALID_ARGUMENT',
  [status.DEADLINE_EXCEEDED]: 'DEADLINE_EXCEEDED',
  [status.NOT_FOUND]: 'NOT_FOUND',
  [status.ALREADY_EXISTS]: 'IDEMPOTENCY_CONFLICT',
  [status.PERMISSION_DENIED]: 'PERMISSION_DENIED',
  [status.RESOURCE_EXHAUSTED]: 'OVERLOADED',
  [status.FAILED_PRECONDITION]: 'FAILED_PRECONDITION',
  [status.UNIMPLEMENTED]: 'UNIMPLEMENTED',
  [status.UNAVAILABLE]: 'UNAVAILABLE',
  [status.UNAUTHENTICATED]: 'UNAUTHENTICATED',
};

const isServiceError = (thrown: unknown): thrown is ServiceError =>
  thrown instanceof Error && 'code' in thrown && 'metadata' in thrown;

/** The error a call ended with, as services throw it. */
export const fromStatus = (thrown: unknown, method: string): CaasError => {
  if (thrown instanceof CaasError) return thrown;
  if (!isServiceError(thrown)) return new CaasError('INTERNAL', `call of ${method} failed`, { cause: thrown });
  const [trailer] = thrown.metadata?.get(trailerKey) ?? [];
  if (trailer instanceof Buffer) return fromWireError(WireError.decode(trailer));
  const reason =
    thrown.code === status.RESOURCE_EXHAUSTED && /larger than/.test(thrown.details)
      ? 'FRAME_TOO_LARGE'
      : (reasonByStatus[thrown.code] ?? 'INTERNAL');
  // Whom we called is for our logs: the error may be on its way to somebody who knows nothing of what serves them.
  const cause = new Error(`call of ${method} ended with ${status[thrown.code]}: ${thrown.details}`, { cause: thrown });
  return new CaasError(reason, 'a service behind this one did not answer as it should', { cause });
};
