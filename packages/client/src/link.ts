import { backoffMs } from './backoff.ts';
import { type Closed, Connection, type ConnectionOptions, OpenError } from './connection.ts';
import { CaasClientError, closedError, curedByNewToken, limitError, toClientError } from './errors.ts';
import type { ClientLimits } from './limits.ts';
import type { Clock } from './ports.ts';
import { TokenKeeper, within } from './token-keeper.ts';
import type { ReplyTo, Requests, Verb } from './wire/commands.ts';
import type { NodeEvent, Welcome } from './wire/frames.ts';

/** `offline`: not connected and waiting for the next attempt, or not yet started. */
export type LinkState = 'offline' | 'connecting' | 'online' | 'closed';

export interface LinkOptions extends Pick<ConnectionOptions, 'limits' | 'clock' | 'createSocket' | 'traceparent'> {
  readonly urls: readonly string[] | (() => Promise<readonly string[]>);
  readonly getToken: () => Promise<string>;
  readonly random: () => number;
  readonly onState: (state: LinkState) => void;
  /** A connection was welcomed; commands go to it from now on. */
  readonly onOnline: (welcome: Welcome) => void;
  readonly onEvent: (event: NodeEvent) => void;
  /** An attempt failed or a connection was lost; the next attempt comes after so many milliseconds. */
  readonly onRetry: (error: CaasClientError, retryInMs: number) => void;
  /** No further attempt: a refusal that no retry cures. */
  readonly onEnd: (error: CaasClientError) => void;
}

interface Waiter {
  readonly resolve: (connection: Connection) => void;
  readonly reject: (error: CaasClientError) => void;
}

/** Keeps one welcomed connection to some node: backoff, next URL, fresh tokens, make-before-break. */
export class Link {
  state: LinkState = 'offline';
  /** Connections welcomed after the first. */
  reconnects = 0;
  readonly #options: LinkOptions;
  readonly #clock: Clock;
  readonly #limits: ClientLimits;
  readonly #tokens: TokenKeeper;
  #current: Connection | undefined;
  /** Nodes that move away; kept for their open answers. */
  readonly #draining = new Set<Connection>();
  readonly #waiters = new Set<Waiter>();
  #end: CaasClientError | undefined;
  #establishing = false;
  #attempt = 0;
  #refusals = 0;
  #welcomes = 0;
  #welcomedAtMs = 0;
  #urls: readonly string[] = [];
  #urlIndex = 0;
  #wake: () => void = () => {};

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#tokens = new TokenKeeper(options.getToken, options.clock, options.limits);
  }

  /** Begins to keep a connection. */
  start(): void {
    if (this.state === 'offline' && !this.#establishing) this.#establish(0, undefined);
  }

  /** Cuts the current wait short, for example when the system says that the network is back. */
  wake(): void {
    this.#wake();
  }

  /** Ends for good; open commands and waiters are rejected with the error. */
  close(error: CaasClientError = closedError()): void {
    if (this.#end) return;
    this.#end = error;
    this.#tokens.stop();
    this.#wake();
    const connections = [this.#current, ...this.#draining];
    this.#current = undefined;
    this.#draining.clear();
    for (const connection of connections) connection?.close();
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
    this.#setState('closed');
  }

  /** Sends a command, waiting for a connection first. Rejects with the node's error, or UNAVAILABLE when none came in time. */
  async request<V extends Verb>(verb: V, request: Requests[V]): Promise<ReplyTo<V>> {
    const connection = this.#current ?? (await this.#online());
    return connection.request(verb, request);
  }

  #online(): Promise<Connection> {
    if (this.#end) return Promise.reject(this.#end);
    const max = this.#limits.maxPendingCommands;
    if (this.#waiters.size >= max) return Promise.reject(limitError('maxPendingCommands', 'commands', max));
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#waiters.delete(waiter);
        this.#clock.clearTimeout(timer);
      };
      const waiter: Waiter = {
        resolve: (connection) => {
          settle();
          resolve(connection);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      const late = () =>
        waiter.reject(new CaasClientError('UNAVAILABLE', 'no connection in time', { retryable: true }));
      const timer = this.#clock.setTimeout(late, this.#limits.commandTimeoutMs);
      this.#waiters.add(waiter);
    });
  }

  #establish(floorMs: number, because: CaasClientError | undefined): void {
    if (this.#establishing) return;
    this.#establishing = true;
    // Faults of attempts are handled inside; what is left is a defect and must not stay silent.
    void this.#attempts(floorMs, because).finally(() => {
      this.#establishing = false;
    });
  }

  async #attempts(floorMs: number, because: CaasClientError | undefined): Promise<void> {
    let wait = because ? this.#nextWait(floorMs) : 0;
    let error = because;
    while (!this.#end) {
      if (error) {
        this.#options.onRetry(error, wait);
        await this.#sleep(wait);
      }
      if (this.#end) return;
      if (!this.#current) this.#setState('connecting');
      try {
        const connection = await this.#open();
        if (this.#end) connection.close();
        else if (connection.isOpen) this.#adopt(connection);
        else {
          // It ended in the turn of its welcome; `#closed` did not count it, for it was not current yet.
          connection.end(1006);
          throw new OpenError(connection.closed as Closed);
        }
        return;
      } catch (thrown) {
        if (!this.#current) this.#setState('offline');
        this.#urlIndex++;
        error = this.#judge(thrown);
        wait = this.#nextWait(error.retryAfterMs);
      }
    }
  }

  async #open(): Promise<Connection> {
    const { urls } = this.#options;
    if (this.#urlIndex >= this.#urls.length) {
      const given =
        typeof urls === 'function'
          ? await within(this.#clock, this.#limits.tokenTimeoutMs, 'urls', urls as () => Promise<readonly string[]>)
          : urls;
      // Each client begins elsewhere in the list, so that they spread over the nodes.
      const first = Math.floor(this.#options.random() * given.length);
      this.#urls = [...given.slice(first), ...given.slice(0, first)];
      this.#urlIndex = 0;
    }
    const url = this.#urls[this.#urlIndex];
    if (url === undefined) throw new CaasClientError('UNAVAILABLE', 'no socket URL is known', { retryable: true });
    if (this.#end) throw this.#end;
    const token = await this.#tokens.get();
    if (this.#end) throw this.#end;
    const { limits, clock, createSocket, traceparent } = this.#options;
    return Connection.open({
      url,
      token,
      limits,
      clock,
      createSocket,
      traceparent,
      onEvent: (event, from) => this.#event(event, from),
      onClosed: (closed, from) => this.#closed(closed, from),
    });
  }

  #adopt(connection: Connection): void {
    const welcome = connection.welcome as Welcome;
    const before = this.#current;
    this.#current = connection;
    this.#refusals = 0;
    this.#welcomedAtMs = this.#clock.now();
    if (this.#welcomes++ > 0) this.reconnects++;
    if (before) this.#drain(before);
    const renew = (accessToken: string) => connection.request('renewToken', { accessToken });
    this.#tokens.schedule(welcome.serverTimeMs, welcome.tokenExpiresAtMs, renew);
    this.#setState('online');
    for (const waiter of [...this.#waiters]) waiter.resolve(connection);
    this.#options.onOnline(welcome);
  }

  #event(event: NodeEvent, from: Connection): void {
    if (event.name === 'moving' && from === this.#current) {
      this.#urlIndex++;
      this.#establish(0, new CaasClientError('DRAINING', 'the node is going away', { retryable: true }));
    }
    this.#options.onEvent(event);
  }

  #closed(closed: Closed, from: Connection): void {
    this.#draining.delete(from);
    if (from !== this.#current) return;
    this.#current = undefined;
    this.#tokens.stop();
    if (this.#clock.now() - this.#welcomedAtMs >= this.#limits.backoffCapMs) this.#attempt = 0;
    this.#setState('offline');
    const error = this.#judge(new OpenError(closed));
    if (this.#end) return;
    this.#urlIndex++;
    this.#establish(closed.retryAfterMs, error);
  }

  /** What an ended attempt means; ends the link when no retry can cure it. */
  #judge(thrown: unknown): CaasClientError {
    if (!(thrown instanceof OpenError)) {
      const error = toClientError(thrown, 'connecting');
      if (!error.retryable) this.#finish(error);
      return error;
    }
    const { reason, retryable, retryAfterMs, code } = thrown.closed;
    const cured = curedByNewToken(reason);
    const facts = { retryable: retryable || cured, retryAfterMs, details: { close_code: String(code) } };
    const error = new CaasClientError(reason, thrown.message, { ...facts, cause: thrown.cause });
    // A browser can't see why a handshake failed; the token may be why.
    if (cured || !this.#current) this.#tokens.forget();
    if (cured) this.#refusals++;
    if (!error.retryable || this.#refusals >= this.#limits.maxTokenRefusals) this.#finish(error);
    return error;
  }

  #finish(error: CaasClientError): void {
    if (this.#end) return;
    this.close(error);
    this.#options.onEnd(error);
  }

  /** The old node answers what it was asked, for a while; then its connection is closed. */
  #drain(connection: Connection): void {
    this.#draining.add(connection);
    const until = this.#clock.now() + this.#limits.maxDrainMs;
    const check = () => {
      if (!this.#draining.has(connection)) return;
      if (connection.pendingCommands > 0 && this.#clock.now() < until) this.#clock.setTimeout(check, 50);
      else connection.close();
    };
    check();
  }

  #nextWait(floorMs: number): number {
    const bounds = { baseMs: this.#limits.backoffBaseMs, capMs: this.#limits.backoffCapMs };
    return backoffMs(this.#attempt++, floorMs, bounds, this.#options.random);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimeout(resolve, ms);
      this.#wake = () => {
        this.#clock.clearTimeout(timer);
        resolve();
      };
    });
  }

  #setState(state: LinkState): void {
    if (this.state === state || this.state === 'closed') return;
    this.state = state;
    this.#options.onState(state);
  }
}
