import { STATUS_CODES } from 'node:http';
import { type CaasError, type Reason, ruleOf } from './errors.ts';

/** Content type of a refusal over HTTP. */
export const problemType = 'application/problem+json';
/** Details a refusal over HTTP carries at most; those named first are kept. */
const maxDetails = 16;

/** A refusal as RFC 9457 writes it, the same at every HTTP edge. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  reason: Reason;
  retryable: boolean;
  retry_after_ms: number;
  trace_id: string;
  details: Record<string, string>;
}

/** A whole HTTP answer; `body` is the JSON of a Problem. */
export interface ProblemAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

const inWords = (reason: Reason): string => {
  const words = reason.toLowerCase().replaceAll('_', ' ');
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
};

/** The error as an HTTP answer: status and hints by the reason table, unless HTTP itself wants another `status`. */
export const problemOf = (error: CaasError, traceId: string, status = ruleOf(error.reason).http): ProblemAnswer => {
  const problem: Problem = {
    type: `urn:caas:error:${error.reason}`,
    title: inWords(error.reason),
    status,
    detail: error.message,
    reason: error.reason,
    retryable: error.retryable,
    retry_after_ms: error.retryAfterMs,
    trace_id: traceId,
    details: Object.fromEntries(Object.entries(error.details).slice(0, maxDetails)),
  };
  const headers: Record<string, string> = { 'content-type': problemType };
  // Whole seconds, rounded up: a client that obeys must not come too early.
  if (error.retryable) headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)));
  if (status === 401) headers['www-authenticate'] = 'Bearer';
  return { status, headers, body: JSON.stringify(problem) };
};

/** The answer as bytes for a connection that has no response object: not yet, or no more, HTTP. It ends the connection. */
export const bareAnswer = ({ status, headers, body }: ProblemAnswer, traceparent: string): string => {
  const all = { ...headers, 'content-length': Buffer.byteLength(body), traceparent, connection: 'close' };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
};
