import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net';
import type { ISocketFactory } from 'kafkajs';

/** pass; lost answers: requests arrive, what comes back vanishes; down: connections end and none is made. */
type Mode = 'pass' | 'lost answers' | 'down';

/** A network between a client and its servers whose faults a test chooses: a proxy on a port of its own for each server. */
export class FaultyNetwork {
  #mode: Mode = 'pass';
  readonly #proxies: ReadonlyMap<string, Server>;
  readonly #sockets: Set<Socket>;

  private constructor(proxies: ReadonlyMap<string, Server>, sockets: Set<Socket>) {
    this.#proxies = proxies;
    this.#sockets = sockets;
  }

  /** @param addresses host:port of every server the client may speak to. */
  static async before(addresses: readonly string[]): Promise<FaultyNetwork> {
    const sockets = new Set<Socket>();
    const proxies = new Map<string, Server>();
    const network = new FaultyNetwork(proxies, sockets);
    for (const address of addresses) {
      const server = createServer((client) => network.#carry(client, address));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      proxies.set(address, server);
    }
    return network;
  }

  set mode(mode: Mode) {
    this.#mode = mode;
    // After bytes were lost nothing may follow on the same connection.
    if (mode !== 'lost answers') for (const socket of this.#sockets) socket.destroy();
  }

  readonly socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    const proxy = this.#proxies.get(`${host}:${port}`)?.address() as AddressInfo;
    return dial({ host: '127.0.0.1', port: proxy.port }, onConnect).setNoDelay(true);
  };

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#proxies.values()) await new Promise((resolve) => server.close(resolve));
  }

  #carry(client: Socket, address: string): void {
    if (this.#mode === 'down') {
      client.destroy();
      return;
    }
    const [host, port] = address.split(':');
    const server = dial({ host: host as string, port: Number(port) });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket.setNoDelay(true));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (bytes) => void server.write(bytes));
    server.on('data', (bytes) => {
      if (this.#mode !== 'lost answers') client.write(bytes);
    });
  }
}
