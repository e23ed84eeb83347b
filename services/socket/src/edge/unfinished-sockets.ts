import type { Socket } from 'node:net';

/**
 * Counts by address the sockets that have not said yet what they want: who opens many and stays silent is cut off, before
 * the node has no place for others.
 */
export class UnfinishedSockets {
  readonly #max: number;
  readonly #addresses = new Map<Socket, string>();
  readonly #counts = new Map<string, number>();
  readonly #closed: (this: Socket) => void;

  /** `max`: of one address; 0: any number, for behind a proxy, which is the one address there is. */
  constructor(max: number) {
    this.#max = max;
    const ended = (socket: Socket): void => this.finished(socket);
    this.#closed = function closed(this: Socket) {
      ended(this);
    };
  }

  get size(): number {
    return this.#addresses.size;
  }

  /** A socket was opened; false: it is one too many. */
  opened(socket: Socket): boolean {
    if (this.#max === 0) return true;
    const address = socket.remoteAddress ?? '';
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#max) return false;
    this.#counts.set(address, count + 1);
    this.#addresses.set(socket, address);
    socket.once('close', this.#closed);
    return true;
  }

  /** Its first request is in, or it is gone. Nothing of this stays with the socket. */
  finished(socket: Socket): void {
    const address = this.#addresses.get(socket);
    if (address === undefined) return;
    this.#addresses.delete(socket);
    socket.off('close', this.#closed);
    const count = (this.#counts.get(address) ?? 1) - 1;
    if (count === 0) this.#counts.delete(address);
    else this.#counts.set(address, count);
  }
}
