import { WebSocket } from 'ws';

/** A frame from the node in protobuf JSON, loosely typed: what is on the wire is what is tested. */
// biome-ignore lint/suspicious/noExplicitAny: the wire is untyped
export type Frame = any;

export interface Closed {
  code: number;
  reason: string;
}

export interface RawOptions {
  /** Headers of the upgrade; default: the token as `Authorization`. */
  headers?: Record<string, string>;
  subprotocols?: string[];
  /** False: pings are not answered. */
  autoPong?: boolean;
}

/** A client of the wire itself: sends frames, keeps what comes, waits for it with a deadline. */
export class RawClient {
  readonly ws: WebSocket;
  readonly frames: Frame[] = [];
  closed: Closed | undefined;
  #nextId = 0;
  readonly #waiters = new Set<() => void>();

  constructor(url: string, token: string | undefined, options: RawOptions = {}) {
    const headers = options.headers ?? (token === undefined ? {} : { authorization: `Bearer ${token}` });
    this.ws = new WebSocket(url, options.subprotocols ?? ['caas.v1.json'], {
      headers,
      autoPong: options.autoPong ?? true,
    });
    this.ws.on('message', (data, isBinary) => {
      this.frames.push(isBinary ? data : JSON.parse(data.toString()));
      this.#wake();
    });
    this.ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#wake();
    });
    this.ws.on('error', () => undefined);
  }

  /** Opens and resolves at the welcome. */
  static async open(url: string, token: string, options?: RawOptions): Promise<RawClient> {
    const client = new RawClient(url, token, options);
    await client.waitFor((frame) => frame.event?.welcome);
    return client;
  }

  /** Sends a command and resolves with its answer: the reply's value or `{ error }`. */
  async ask(command: Frame, timeoutMs = 5_000): Promise<Frame> {
    const id = `r${++this.#nextId}`;
    this.ws.send(JSON.stringify({ id, ...command }));
    const frame = await this.waitFor((f) => f.id === id, timeoutMs);
    return frame.reply ?? { error: frame.error };
  }

  send(text: string): void {
    this.ws.send(text);
  }

  /** The first frame, come or to come, that matches. */
  async waitFor(matches: (frame: Frame) => unknown, timeoutMs = 5_000): Promise<Frame> {
    const find = (): Frame => this.frames.find((frame) => matches(frame));
    await this.#until(() => find() !== undefined || this.closed !== undefined, timeoutMs, matches);
    const found = find();
    if (found === undefined) throw new Error(`closed ${JSON.stringify(this.closed)} before ${matches}`);
    return found;
  }

  async waitClosed(timeoutMs = 5_000): Promise<Closed> {
    await this.#until(() => this.closed !== undefined, timeoutMs, 'close');
    return this.closed as Closed;
  }

  /** Events of a kind so far. */
  events(kind: string): Frame[] {
    return this.frames.flatMap((f) => (f.event?.[kind] ? [f.event[kind]] : []));
  }

  async close(): Promise<void> {
    if (this.ws.readyState === WebSocket.CLOSED) return;
    this.ws.close();
    await this.waitClosed();
  }

  async #until(holds: () => boolean, timeoutMs: number, what: unknown): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!holds()) {
      const left = deadline - Date.now();
      if (left <= 0)
        throw new Error(`not within ${timeoutMs} ms: ${what}; last frames ${JSON.stringify(this.frames.slice(-5))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, left);
        const waiters = this.#waiters;
        function done(): void {
          clearTimeout(timer);
          waiters.delete(done);
          resolve();
        }
        waiters.add(done);
      });
    }
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}
