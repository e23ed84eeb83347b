import type { Socket } from 'node:net';

/**
 * Counts by address the sockets that hold a place of an HTTP server: silent ones, and those kept alive between requests.
 * Who holds too many gets no more, before there is no place for others.
 */
export class AddressSockets {
  readonly #max: number;
  readonly #addresses = new Map<Socket, string>();
  readonly #counts = new Map<string, number>();
  readonly #closed: (this: Socket) => void;

  /** `max`: of one address; 0: any number, for behind a proxy, which is the one address there is. */
  constructor(max: number) {
    this.#max = max;
    const ended = (socket: Socket): void => this.released(socket);
    this.#closed = function closed(this: Socket) {
      ended(this);
    };
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

  /** It is gone, or others bound it from here on. Nothing of this stays with the socket. */
  released(socket: Socket): void {
    const address = this.#addresses.get(socket);
    if (address === undefined) return;
    this.#addresses.delete(socket);
    socket.off('close', this.#closed);
    const count = (this.#counts.get(address) ?? 1) - 1;
    if (count === 0) this.#counts.delete(address);
    else this.#counts.set(address, count);
  }
}
