/** Writes docs/ERRORS.md from the options of the ErrorReason enum. */
import { writeFileSync } from 'node:fs';
import { reasonTable } from '@caas/kit';

const grpcNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

const retry = (retryable: boolean, afterMs: number): string =>
  retryable ? (afterMs > 0 ? `after ${afterMs} ms` : 'at once') : 'no';

export const errorsDocPath = 'docs/ERRORS.md';

/** The page as it must be. */
export const errorsDocument = (): string => {
  const rows = [...reasonTable].map(
    ([reason, { meaning, grpc, http, close, retryable, retryAfterMs }]) =>
      `| \`${reason}\` | ${meaning} | ${http} | ${grpcNames[grpc]} (${grpc}) | ${close || '–'} | ${retry(retryable, retryAfterMs)} |`,
  );
  return `# Errors

<!-- Written by scripts/errors-doc.ts from proto/caas/common/v1/errors.proto; change it there. -->

Every refusal, on every edge, carries one reason of this table. Decide by the reason, never by the text.

| where | how it looks |
|---|---|
| REST | the HTTP status, and a body \`application/problem+json\` (RFC 9457) with \`reason\`, \`detail\`, \`retryable\`, \`retry_after_ms\`, \`trace_id\`, \`details\` |
| WebSocket | a frame \`error\` with \`reason\`, \`message\`, \`retryable\`, \`retryAfterMs\`, \`traceId\`, \`details\` and the \`id\` of the command; when the connection itself ends, such a frame without \`id\`, then the close code. In JSON the reason has the prefix \`ERROR_REASON_\`, and fields that are false, 0 or empty are left out |
| gRPC | the status, and the binary trailer \`caas-error-bin\` with an encoded \`caas.common.v1.Error\` |

\`retryable\` says that the same request may succeed later without a change; wait at least \`retry_after_ms\`, which may be
more than the table's least, and add full jitter. \`trace_id\` finds the request in the logs: quote it when you report
a fault. \`details\` say what the reason refers to: a \`field\` with its \`bound\`, \`limit\` and \`unit\`, a \`command\`,
a \`scope\`. A client that reads a reason it does not know treats it as \`INTERNAL\`.

| reason | meaning | HTTP | gRPC | WebSocket close | retry |
|---|---|---|---|---|---|
${rows.join('\n')}
`;
};

if (import.meta.main) writeFileSync(errorsDocPath, errorsDocument());
