import { WebSocket } from 'ws';

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
