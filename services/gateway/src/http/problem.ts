import { STATUS_CODES } from 'node:http';
import { CaasError, type Reason, ruleOf } from '@caas/kit';
import type { z } from 'zod';
import { maxDetails } from '../limits.ts';
import type { problem } from '../schemas/common.ts';

export type Problem = z.infer<typeof problem>;

export const problemType = 'application/problem+json';

const inWords = (reason: Reason): string => {
  const words = reason.toLowerCase().replaceAll('_', ' ');
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
};

/** A refusal as RFC 9457 writes it; status and hints by the reason table. */
export const problemOf = (error: CaasError, traceId: string): Problem => ({
  type: `urn:caas:error:${error.reason}`,
  title: inWords(error.reason),
  status: ruleOf(error.reason).http,
  detail: error.message,
  reason: error.reason,
  retryable: error.retryable,
  retry_after_ms: error.retryAfterMs,
  trace_id: traceId,
  details: Object.fromEntries(Object.entries(error.details).slice(0, maxDetails)),
});

/** Headers that go with a refusal. */
export const problemHeaders = (error: CaasError): Record<string, string> => {
  const headers: Record<string, string> = { 'content-type': problemType };
  // Whole seconds, rounded up: a client that obeys must not come too early.
  if (error.retryable) headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)));
  if (ruleOf(error.reason).http === 401) headers['www-authenticate'] = 'Bearer';
  return headers;
};

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

/** A refusal of what is not even an HTTP request, to be written to the bare connection. */
export const bareProblem = (error: CaasError, status: number, traceId: string, traceparent: string): string => {
  const body = JSON.stringify({ ...problemOf(error, traceId), status });
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `content-type: ${problemType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `traceparent: ${traceparent}`,
    'connection: close',
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
};
