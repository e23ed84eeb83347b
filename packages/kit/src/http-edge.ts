import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { AddressSockets } from './address-sockets.ts';
import { CaasError } from './errors.ts';
import { bareAnswer, type ProblemAnswer, problemOf } from './problem.ts';
import { newTraceparent, traceIdOf, traceparentOr } from './trace.ts';

export { AddressSockets } from './address-sockets.ts';

/** How often requests that take too long to arrive are looked for, ms; node's own 30 s would make 10 s into 40. */
const overdueCheckMs = 1_000;

/** The caller's trace context, or a new one. */
export const traceparentIn = ({ headers }: IncomingMessage): string => {
  const { traceparent } = headers;
  return traceparentOr(typeof traceparent === 'string' ? traceparent : undefined);
};

/** Refuses on a bare socket, and ends it: a peer that never closes its side must not keep ours. */
export const refuseSocket = (socket: Duplex, error: CaasError, traceparent: string, status?: number): void => {
  socket.once('finish', () => socket.destroy());
  socket.end(bareAnswer(problemOf(error, traceIdOf(traceparent), status), traceparent));
};

/** Status and reason for what the parser of node refuses before there is a request. */
const parserFault = (code: string | undefined, maxHeaderSize: number | undefined): [number, CaasError] => {
  if (code === 'HPE_HEADER_OVERFLOW')
    return [
      431,
      new CaasError('FRAME_TOO_LARGE', 'the request line and headers are too long', {
        details: { limit: String(maxHeaderSize ?? 16_384), unit: 'bytes' },
      }),
    ];
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return [408, new CaasError('DEADLINE_EXCEEDED', 'the request did not arrive in time')];
  return [400, new CaasError('MALFORMED_FRAME', 'not an HTTP request')];
};

const answer = (request: IncomingMessage, response: ServerResponse, error: CaasError, status?: number): void => {
  const traceparent = traceparentIn(request);
  const problem: ProblemAnswer = problemOf(error, traceIdOf(traceparent), status);
  const length = { 'content-length': Buffer.byteLength(problem.body), connection: 'close' };
  response.writeHead(problem.status, { ...problem.headers, ...length, traceparent }).end(problem.body);
};

export interface HttpEdgeOptions extends ServerOptions {
  /** Bounds the sockets of an address; those past it are cut unheard. Who upgrades one says that it is released. */
  sockets: AddressSockets;
}

/**
 * An HTTP server whose every refusal is a problem with reason, hint and trace id, those included that node makes on its own
 * and without a body: what it can't parse, what takes too long, a missing Host, an Expect or CONNECT nobody serves.
 */
export const createHttpEdge = (options: HttpEdgeOptions, handler: RequestListener): Server => {
  const server = createServer(
    { connectionsCheckingInterval: overdueCheckMs, ...options, requireHostHeader: false },
    (request, response) => {
      // RFC 9112 §3.2: such a request is refused with 400.
      if (request.headers.host === undefined && request.httpVersion === '1.1')
        answer(request, response, new CaasError('MALFORMED_FRAME', 'the request has no Host header'));
      else handler(request, response);
    },
  );
  server.on('connection', (socket: Socket) => {
    if (!options.sockets.opened(socket)) socket.destroy();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy();
    const [status, refusal] = parserFault(error.code, options.maxHeaderSize);
    refuseSocket(socket, refusal, newTraceparent(), status);
  });
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
    answer(request, response, new CaasError('INVALID_ARGUMENT', 'no expectation but 100-continue is met'), 417),
  );
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => socket.destroy());
    refuseSocket(socket, new CaasError('METHOD_NOT_ALLOWED', 'this is no proxy'), traceparentIn(request));
  });
  return server;
};
