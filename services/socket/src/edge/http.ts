import type { IncomingMessage, ServerResponse } from 'node:http';
import { CaasError, traceIdOf } from '@caas/kit';
import { traceparentIn } from '@caas/kit/http';
import { problemOf } from '@caas/kit/problem';

/** How a node is, as a load balancer and an operator ask for it. */
export interface Health {
  /** Whether clients who come here now would be served. */
  ready(): boolean;
  /** What is away, so that the node serves less than all. */
  degraded(): string[];
}

/** Answers what is asked over plain HTTP: `/health/live`, and `/health/ready` (503 when it is not); all else is not found. */
export const answerHttp = (request: IncomingMessage, response: ServerResponse, health: Health): void => {
  const live = request.url === '/health/live';
  const ready = request.url === '/health/ready';
  if (live || ready) {
    const ok = live || health.ready();
    const degraded = ready ? health.degraded() : [];
    response
      .writeHead(ok ? 200 : 503, { 'content-type': 'application/json' })
      .end(JSON.stringify({ status: ok ? 'ok' : 'unavailable', ...(degraded.length > 0 && { degraded }) }));
    return;
  }
  const traceparent = traceparentIn(request);
  const refusal = new CaasError('NOT_FOUND', 'this is a WebSocket endpoint');
  const { status, headers, body } = problemOf(refusal, traceIdOf(traceparent));
  response.writeHead(status, { ...headers, traceparent }).end(body);
};
