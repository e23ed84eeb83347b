import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { CaasError, fail, type Reason, toCaasError, traceIdOf } from '@caas/kit';
import { AddressSockets, createHttpEdge, refuseSocket, traceparentIn } from '@caas/kit/http';
import { type RawData, type Server as SocketServer, WebSocket } from 'ws';
import type { NodeServices } from '../commands/command.ts';
import type { Turn } from '../delivery/turn.ts';
import { auditEntry, auditRefusal, type Caller } from './audit-entry.ts';
import { Connection } from './connection.ts';
import { Dispatcher } from './dispatch.ts';
import type { Subprotocol } from './frames.ts';
import { assertOrigin, chooseSubprotocol, readHandshake } from './handshake.ts';
import { answerHttp, type Health } from './http.ts';
import { type NodeWebSocket, webSocketServer } from './node-web-socket.ts';
import { refuseEntry } from './refuse-entry.ts';

export interface EdgeOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  health: Health;
}

/** How often connections are looked after (pings, expiry, slow readers), ms. */
const tickMs = 1_000;
/** Sockets beside those of clients: probes, and those who are told that the node is full. More are cut unheard. */
const maxPlainSockets = 1_000;
/** Least time a draining node gives commands in work to be answered, ms. */
const leastAnswerMs = 100;

/** The WebSocket edge of a node: upgrades, entry, and the life of connections. */
export class Edge {
  readonly #node: NodeServices;
  readonly #turn: Turn;
  readonly #options: EdgeOptions;
  readonly #http: Server;
  /** Sockets that are no WebSockets, or not yet. */
  readonly #plain: AddressSockets;
  readonly #sockets: SocketServer<typeof NodeWebSocket>;
  readonly #connections = new Set<Connection>();
  readonly #ended = new Map<Reason, number>();
  /** Sockets that wait for a verdict. */
  readonly #entering = new Set<WebSocket>();
  #draining = false;
  /** Nothing is taken from clients any more. */
  #deaf = false;
  #ticker: NodeJS.Timeout | undefined;

  constructor(node: NodeServices, turn: Turn, options: EdgeOptions) {
    this.#node = node;
    this.#turn = turn;
    this.#options = options;
    const { requestTimeoutMs, maxPlainPerAddress } = node.bounds;
    this.#sockets = webSocketServer(node.bounds);
    this.#plain = new AddressSockets(maxPlainPerAddress);
    this.#http = createHttpEdge(
      { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs, sockets: this.#plain },
      (request, response) => answerHttp(request, response, this.#health),
    );
    this.#http.maxConnections = node.bounds.maxConnections + maxPlainSockets;
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  readonly #health: Health = {
    ready: () => this.#options.health.ready() && !this.#draining,
    degraded: () => this.#options.health.degraded(),
  };

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Bytes that wait for the clients of all connections. */
  get backlogBytes(): number {
    return [...this.#connections].reduce((bytes, connection) => bytes + connection.backlogBytes, 0);
  }

  /** Connections this node has ended, by reason. */
  get ended(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#ended);
  }

  readonly #countEnd = (reason: Reason): unknown => this.#ended.set(reason, (this.#ended.get(reason) ?? 0) + 1);

  async listen(): Promise<{ port: number }> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen(this.#options.port, this.#options.host, 4_096, resolve);
    });
    this.#ticker = setInterval(() => this.#tick(), tickMs);
    return { port: (this.#http.address() as AddressInfo).port };
  }

  /**
   * No new connections; those open are told to move and kept for `drainMs` or until they have gone. Then nothing more is
   * taken, and what was is answered, within `drainMs` again.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    const { drainMs } = this.#node.bounds;
    for (const connection of this.#connections)
      connection.event({ event: { $case: 'moving', value: { closesInMs: drainMs } } });
    this.#turn.flush();
    const deadline = this.#node.clock.now() + drainMs;
    while (this.#connections.size > 0 && this.#node.clock.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    this.#deaf = true;
    const answersEndAtMs = this.#node.clock.now() + Math.max(drainMs, leastAnswerMs);
    while (this.#commandsInWork() && this.#node.clock.now() < answersEndAtMs)
      await new Promise((resolve) => setTimeout(resolve, 5));
    this.#turn.flush();
    for (const connection of [...this.#connections]) connection.end('DRAINING', 'the node is going away');
  }

  #commandsInWork(): boolean {
    for (const connection of this.#connections) if (connection.inFlight > 0 && !connection.closed) return true;
    return this.#node.messages.writer.pending > 0;
  }

  /** Ends everything at once: after a drain, or in place of one. */
  async close(): Promise<void> {
    clearInterval(this.#ticker);
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    const deadline = this.#node.clock.now() + 500;
    while (this.#connections.size > 0 && this.#node.clock.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 10));
    this.abandon();
    await closed;
  }

  /** Cuts every socket with no word, as a crash does. */
  abandon(): void {
    clearInterval(this.#ticker);
    this.#http.close();
    this.#http.closeAllConnections();
    for (const connection of [...this.#connections]) connection.ws.terminate();
    for (const ws of this.#entering) ws.terminate();
  }

  #tick(): void {
    const now = this.#node.clock.now();
    for (const connection of this.#connections) {
      connection.tick(now);
      if (connection.ws.isPaused) connection.onRelief();
    }
    this.#turn.flush();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', destroyed);
    this.#plain.released(request.socket);
    const subprotocol = chooseSubprotocol(request);
    const refusal = this.#draining
      ? new CaasError('DRAINING', 'the node is going away')
      : subprotocol === undefined
        ? new CaasError('UNSUPPORTED_SUBPROTOCOL', 'offer caas.v1.json or caas.v1.proto')
        : this.#connections.size + this.#entering.size >= this.#node.bounds.maxConnections
          ? new CaasError('OVERLOADED', 'the node has its greatest number of connections')
          : undefined;
    if (refusal || !subprotocol) {
      refuseSocket(socket, refusal as CaasError, traceparentIn(request));
      return;
    }
    // The handshake and what follows it, welcome or refusal, are one write.
    socket.cork();
    this.#sockets.handleUpgrade(request, socket, head, (ws) => {
      this.#entering.add(ws);
      void this.#enter(request, ws, socket, subprotocol).finally(() => this.#entering.delete(ws));
    });
  }

  /**
   * Entry: the handshake is completed in any case, so that a browser, which sees no HTTP status, is told the reason too.
   * Nothing is read from the socket until the verdict is in.
   */
  async #enter(request: IncomingMessage, ws: NodeWebSocket, socket: Duplex, subprotocol: Subprotocol): Promise<void> {
    ws.on('error', () => undefined); // 'close' follows and tells
    ws.pause();
    let connection: Connection | undefined;
    const traceparent = traceparentIn(request);
    const caller: Caller = { traceparent, remoteAddress: request.socket.remoteAddress ?? '' };
    try {
      const handshake = readHandshake(request, subprotocol);
      const { claims, limits, allowedOrigins, checks } = await this.#node.gate.verify(handshake.token);
      assertOrigin(handshake.origin, allowedOrigins);
      if (this.#draining) fail('DRAINING', 'the node is going away');
      connection = new Connection(ws, socket, subprotocol, claims, limits, {
        origin: handshake.origin,
        turn: this.#turn,
        bounds: this.#node.bounds,
        clock: this.#node.clock,
        pressed: () => this.#node.reads.pressed(claims.tenantId),
        ended: this.#countEnd,
      });
      await this.#open(connection, ws, socket, checks);
      auditEntry(this.#node, claims, caller);
    } catch (thrown) {
      const error = toCaasError(thrown);
      this.#node.faults.heard(error, 'entry failed', { traceId: traceIdOf(traceparent) });
      auditRefusal(this.#node, connection?.claims, caller, error);
      if (connection) this.#left(connection);
      refuseEntry(ws, subprotocol, error, traceIdOf(traceparent));
    } finally {
      socket.uncork();
    }
  }

  async #open(connection: Connection, ws: NodeWebSocket, socket: Duplex, checks: number): Promise<void> {
    const { claims } = connection;
    this.#node.policies.follow(claims.tenantId);
    this.#node.contents.expect(claims.tenantId, claims.userId);
    await this.#node.directory.connect(connection);
    if (this.#draining) fail('DRAINING', 'the node is going away');
    if (ws.readyState !== WebSocket.OPEN) {
      this.#left(connection);
      return;
    }
    this.#connections.add(connection);
    this.#node.gate.opened(connection, checks);
    const dispatcher = new Dispatcher(this.#node, connection);
    const binary = connection.subprotocol === 'caas.v1.proto';
    ws.onFault = (code) =>
      code === 1009
        ? connection.end('FRAME_TOO_LARGE', `a frame has at most ${this.#node.bounds.maxFrameBytes} bytes`)
        : connection.end('PROTOCOL_VIOLATION', 'not the WebSocket protocol, or a frame in too many fragments');
    ws.on('message', (data: RawData, isBinary: boolean) => {
      // What was under way when the connection was ended counts no more.
      if (connection.closed || this.#deaf) return;
      connection.heard();
      if (isBinary !== binary) {
        connection.end(
          'PROTOCOL_VIOLATION',
          binary ? 'caas.v1.proto takes binary messages' : 'caas.v1.json takes text messages',
        );
        return;
      }
      dispatcher.received(data as Buffer);
      if (
        connection.inFlight >= this.#node.bounds.maxCommandsInFlight ||
        connection.backlogBytes > this.#node.bounds.maxQueuedBytes
      )
        ws.pause();
    });
    const control = (): void => {
      if (connection.closed) return;
      connection.heard();
      // Small as they are, a million of them would hold up everybody.
      if (connection.rates.all.take(this.#node.clock.now()) > 0)
        connection.end('RATE_LIMITED', 'too many pings or pongs');
    };
    ws.on('pong', control);
    ws.on('ping', () => {
      control();
      // Each is answered: who does not read the answers is not read either.
      if (connection.backlogBytes > this.#node.bounds.maxQueuedBytes) ws.pause();
    });
    ws.on('close', () => {
      connection.dropped();
      this.#left(connection);
    });
    const { maxFrameBytes, pingIntervalMs } = this.#node.bounds;
    connection.welcome({
      userId: claims.userId,
      sessionId: claims.sessionId,
      nodeId: this.#node.nodeId,
      serverTimeMs: this.#node.clock.now(),
      tokenExpiresAtMs: claims.expiresAtMs,
      pingIntervalMs,
      maxFrameBytes,
      maxTextBytes: connection.limits.maxTextBytes,
    });
    connection.flush();
    if (this.#node.directory.becamePresent(connection)) this.#node.ephemeral.cameOnline(claims.tenantId, claims.userId);
    connection.onRelief = () => {
      dispatcher.goOn();
      if (ws.isPaused) this.#resumeIfRelieved(connection);
    };
    socket.on('drain', connection.onRelief);
    ws.resume();
  }

  /** Reading goes on once commands are answered and the client has taken what is queued. */
  #resumeIfRelieved(connection: Connection): void {
    const { maxCommandsInFlight, maxQueuedBytes } = this.#node.bounds;
    if (connection.inFlight < maxCommandsInFlight / 2 && connection.backlogBytes <= maxQueuedBytes / 2)
      connection.ws.resume();
  }

  #left(connection: Connection): void {
    this.#connections.delete(connection);
    this.#node.gate.closed(connection);
    this.#node.ephemeral.unwatch(connection);
    if (this.#node.directory.disconnect(connection))
      this.#node.ephemeral.wentOffline(connection.claims.tenantId, connection.claims.userId);
  }
}

/** Not a closure: one made at the upgrade would keep the request and its headers for as long as the socket lives. */
function destroyed(this: Duplex): void {
  this.destroy();
}
