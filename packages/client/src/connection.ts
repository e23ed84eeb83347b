import { CaasClientError, type CloseRule, closeRuleOf, errorOf } from './errors.ts';
import type { ClientLimits } from './limits.ts';
import { PendingCommands } from './pending-commands.ts';
import type { Clock, CreateSocket, SocketEvent, SocketLike } from './ports.ts';
import { type ReplyTo, type Requests, replyOf, type Verb, writeFrame } from './wire/commands.ts';
import { type NodeEvent, type Reply, readFrame, type ServerFrame, type Welcome } from './wire/frames.ts';

const subprotocol = 'caas.v1.json';
const open = 1;
/** RFC 6455, section 7.4.1: the one code besides 3000–4999 a browser may close with. */
const normalClosure = 1000;

const utf8 = new TextEncoder();
/** UTF-8 bytes a UTF-16 code unit takes at most. */
const maxUtf8BytesPerUnit = 3;

const frameTooLarge = (maxBytes: number): CaasClientError =>
  new CaasClientError('FRAME_TOO_LARGE', `the command exceeds ${maxBytes} bytes`, {
    details: { limit: 'maxFrameBytes', unit: 'bytes', value: String(maxBytes) },
  });

/** How a connection ended. */
export interface Closed extends CloseRule {
  /** WebSocket close code. */
  readonly code: number;
}

export interface ConnectionOptions {
  readonly url: string;
  readonly token: string;
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly createSocket: CreateSocket;
  readonly traceparent: (() => string) | undefined;
  /** Every event but the welcome, in order. */
  readonly onEvent: (event: NodeEvent, from: Connection) => void;
  /** Once, when a welcomed connection has ended. */
  readonly onClosed: (closed: Closed, from: Connection) => void;
}

/** Thrown by `Connection.open` when a connection ends before it was welcomed. */
export class OpenError extends Error {
  readonly closed: Closed;
  constructor(closed: Closed, options?: ErrorOptions) {
    super(`connection refused: ${closed.reason}`, options);
    this.closed = closed;
  }
}

/** One WebSocket to a node, from its welcome to its end. */
export class Connection {
  /** First frame of the node. */
  welcome: Welcome | undefined;
  readonly url: string;
  readonly #options: ConnectionOptions;
  readonly #commands: PendingCommands<Reply | undefined>;
  readonly #socket: SocketLike;
  #lastReceivedAtMs: number;
  #framesReceived = 0;
  #watchdog: unknown;
  /** The error frame without id that a node sends before it closes. */
  #farewell: CloseRule | undefined;
  #closed: Closed | undefined;
  #settleOpen: { welcomed: () => void; failed: (error: OpenError) => void } | undefined;

  private constructor(options: ConnectionOptions) {
    const { clock, limits } = options;
    this.#options = options;
    this.url = options.url;
    this.#commands = new PendingCommands(clock, limits.commandTimeoutMs, limits.maxPendingCommands);
    this.#lastReceivedAtMs = clock.now();
    this.#socket = options.createSocket(options.url, [subprotocol, `bearer.${options.token}`]);
    this.#socket.addEventListener('message', (event: SocketEvent) => this.#received(event.data));
    this.#socket.addEventListener('close', (event: SocketEvent) => this.#end(event.code ?? 1006));
    // A close event follows each error event; the error itself tells nothing more.
    this.#socket.addEventListener('error', () => {});
  }

  /** Opens a connection and waits for its welcome. Throws OpenError. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    let connection: Connection;
    try {
      connection = new Connection(options);
    } catch (fault) {
      throw new OpenError({ ...closeRuleOf(1006), code: 1006 }, { cause: fault });
    }
    const { clock, limits } = options;
    const timer = clock.setTimeout(() => connection.end(1006), limits.openTimeoutMs);
    try {
      await new Promise<void>((resolve, reject) => {
        connection.#settleOpen = { welcomed: resolve, failed: reject };
      });
    } finally {
      clock.clearTimeout(timer);
    }
    return connection;
  }

  /** False also while it closes: nothing sent now would be answered. */
  get isOpen(): boolean {
    return !this.#closed && this.#socket.readyState === open;
  }

  /** How it ended; undefined: not yet. */
  get closed(): Closed | undefined {
    return this.#closed;
  }

  /** Commands that wait for their answer. */
  get pendingCommands(): number {
    return this.#commands.size;
  }

  /** Sends a command; rejects with the node's error, DEADLINE_EXCEEDED, LIMIT_EXCEEDED, or UNAVAILABLE when it is not open. */
  async request<V extends Verb>(verb: V, request: Requests[V]): Promise<ReplyTo<V>> {
    if (!this.isOpen) throw new CaasClientError('UNAVAILABLE', 'the connection has ended', { retryable: true });
    const reply = await this.#commands.open((id) => {
      const frame = writeFrame(id, verb, request, this.#options.traceparent?.());
      const maxBytes = this.welcome?.maxFrameBytes || Number.POSITIVE_INFINITY;
      // A node closes on a frame that is too large; refused here, only this command fails.
      if (frame.length * maxUtf8BytesPerUnit > maxBytes && utf8.encode(frame).length > maxBytes) {
        this.#commands.reject(id, frameTooLarge(maxBytes));
      } else this.#socket.send(frame);
    });
    const expected = replyOf[verb];
    if (expected !== undefined && reply?.name !== expected) {
      throw new CaasClientError('INTERNAL', `the node answered ${verb} with ${reply?.name ?? 'nothing known'}`);
    }
    return reply?.value as ReplyTo<V>;
  }

  /** Closes; open commands are rejected. */
  close(): void {
    this.end(normalClosure);
  }

  /** Ends at once, without waiting for the peer: a dead network never answers. */
  end(code: number): void {
    if (this.#closed) return;
    try {
      this.#socket.close(normalClosure);
    } catch {
      // A socket that is still connecting may throw here in some implementations; it is abandoned either way.
    }
    this.#end(code);
  }

  #received(data: unknown): void {
    if (this.#closed) return;
    this.#lastReceivedAtMs = this.#options.clock.now();
    this.#framesReceived++;
    let frame: ServerFrame;
    try {
      frame = readFrame(String(data));
    } catch {
      // What comes can't be trusted any more; another connection and a sync can.
      this.end(1006);
      return;
    }
    if (frame.type === 'event') this.#event(frame.event);
    else if (frame.type === 'reply') this.#commands.resolve(frame.id, frame.reply);
    else if (frame.type === 'unknown') this.#commands.resolve(frame.id, undefined);
    else if (frame.id === '') this.#farewell = frame.error;
    else this.#commands.reject(frame.id, errorOf(frame.error));
  }

  #event(event: NodeEvent): void {
    if (event.name !== 'welcome') {
      this.#options.onEvent(event, this);
      return;
    }
    this.welcome = event.value;
    this.#settleOpen?.welcomed();
    this.#settleOpen = undefined;
    this.#watch();
  }

  #end(code: number): void {
    if (this.#closed) return;
    const closed: Closed = { ...(this.#farewell ?? closeRuleOf(code)), code };
    this.#closed = closed;
    const { clock, onClosed } = this.#options;
    clock.clearTimeout(this.#watchdog);
    this.#commands.rejectAll(
      new CaasClientError('DEADLINE_EXCEEDED', 'the connection ended before the answer', {
        retryable: true,
        retryAfterMs: closed.retryAfterMs,
      }),
    );
    if (this.#settleOpen) this.#settleOpen.failed(new OpenError(closed));
    else if (this.welcome) onClosed(closed, this);
    this.#settleOpen = undefined;
  }

  /** Browsers don't show pings, so silence is answered with a cheap question. */
  #watch(): void {
    const { clock, limits } = this.#options;
    const { welcome } = this;
    const silenceMs = 2 * (welcome?.pingIntervalMs || 25_000) + limits.watchdogSlackMs;
    const idleMs = clock.now() - this.#lastReceivedAtMs;
    if (idleMs < silenceMs) {
      this.#watchdog = clock.setTimeout(() => this.#watch(), silenceMs - idleMs);
      return;
    }
    const before = this.#framesReceived;
    this.#watchdog = clock.setTimeout(() => {
      if (this.#framesReceived === before) this.end(1006);
      else this.#watch();
    }, limits.probeTimeoutMs);
    // Any frame counts as a sign of life, a refusal too.
    this.request('getUsers', { userIds: [welcome?.userId ?? ''] }).catch(() => {});
  }
}
