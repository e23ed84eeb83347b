import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { CaasError, ruleOf, toWireError } from '@caas/kit';
import { refuseSocket, traceparentIn } from '@caas/kit/http';
import type { WebSocket, WebSocketServer } from 'ws';
import { errorJson, errorProto } from './encode.ts';
import type { Subprotocol } from './frames.ts';

/** Refuses on a WebSocket: a browser, which sees no HTTP status, is told the reason too. */
export const refuseEntry = (ws: WebSocket, subprotocol: Subprotocol, error: CaasError, traceId: string): void => {
  const wire = toWireError(error, traceId);
  if (subprotocol === 'caas.v1.json') ws.send(errorJson('', wire));
  else ws.send(errorProto('', wire));
  ws.close(ruleOf(error.reason).close || 1011, error.reason);
  ws.resume(); // the peer's answer to the close must be read
  setTimeout(() => ws.terminate(), 2_000).unref();
};

/** Has handshakes that `ws` finds faulty refused as all else is, not in its own words. */
export const refuseFaultyHandshakes = (sockets: Pick<WebSocketServer, 'on'>): void => {
  sockets.on('wsClientError', (fault: Error, socket: Duplex, request: IncomingMessage) => {
    const refusal =
      request.method === 'GET'
        ? new CaasError('PROTOCOL_VIOLATION', `not a WebSocket handshake: ${fault.message}`)
        : new CaasError('METHOD_NOT_ALLOWED', `this path does not serve ${request.method}`);
    refuseSocket(socket, refusal, traceparentIn(request));
  });
};
