import { CaasError } from '@caas/kit';

/** Faults of body-parser and the router, which carry a type or a status, as reasons of the table. */
const fromHttpFault = (type: unknown, status: unknown): CaasError | undefined => {
  if (type === 'entity.too.large')
    return new CaasError('FRAME_TOO_LARGE', 'the body exceeds 65536 bytes', {
      details: { limit: '65536', unit: 'bytes' },
    });
  if (type === 'request.aborted') return new CaasError('MALFORMED_FRAME', 'the body ended early');
  if (typeof type === 'string')
    return new CaasError('PAYLOAD_NOT_JSON', 'the body is not valid JSON in UTF-8, not compressed');
  if (status === 400) return new CaasError('MALFORMED_FRAME', 'the path is not a valid URL');
  return undefined;
};

/** Whatever was thrown while a request was served, as the client may see it. */
export const refusalOf = (thrown: unknown): CaasError => {
  if (thrown instanceof CaasError) {
    // That a service does not trust us is our fault, not that of the user whose request it was.
    return thrown.details['subject'] === 'caller'
      ? new CaasError('INTERNAL', 'internal error', { cause: thrown })
      : thrown;
  }
  const { type, status } = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Record<string, unknown>;
  return fromHttpFault(type, status) ?? new CaasError('INTERNAL', 'internal error', { cause: thrown });
};
