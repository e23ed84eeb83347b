import { type Server as SocketServer, WebSocket, WebSocketServer } from 'ws';
import type { NodeBounds } from '../limits.ts';
import { chooseSubprotocol } from './handshake.ts';
import { refuseFaultyHandshakes } from './refuse-entry.ts';

/**
 * A `ws` socket that lets its owner speak before `ws` closes it for a fault of the peer (too large, too many fragments,
 * not the protocol): after the close frame nothing more may be said.
 */
export class NodeWebSocket extends WebSocket {
  /** Given the close code `ws` would use. */
  onFault: ((code: number) => void) | undefined;

  override close(code?: number, data?: string | Buffer): void {
    // Only `ws` itself closes with a code and no reason: what we and the peer close with carries one, or neither.
    if (code !== undefined && data === undefined) this.onFault?.(code);
    super.close(code, data);
  }
}

/**
 * At 60 pings in one read `ws` cuts the socket with no word, unless told not to (its types do not know the option). Here pings
 * are counted by the user's rate, and who takes no pongs is not read any more.
 */
const pongs = { maxPendingAutoPongs: 0 };

/** What makes sockets of upgrades, within the bounds of a node. */
export const webSocketServer = ({ maxFrameBytes, maxFragments }: NodeBounds): SocketServer<typeof NodeWebSocket> => {
  const server = new WebSocketServer<typeof NodeWebSocket>({
    WebSocket: NodeWebSocket,
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxFrameBytes,
    maxFragments,
    ...pongs,
    handleProtocols: (_protocols, request) => chooseSubprotocol(request) ?? false,
  });
  refuseFaultyHandshakes(server);
  return server;
};
