import { CaasError } from '@caas/kit';
import { defaultCommandTimeoutMs, type RedisClient, type RedisEngineOptions, warn } from './client.ts';
import { redisFault } from './faults.ts';
import type { Listener } from './listener.ts';

/** How often an idle connection is asked for a sign of life, in milliseconds: a reader sends nothing that would fail. */
const heartbeatMs = 2_000;

/** The channels this process reads, each with its one listener, subscribed to whenever there is a connection. */
export class Subscriptions {
  readonly #client: RedisClient;
  readonly #commandTimeoutMs: number;
  readonly #onFault: (fault: unknown) => void;
  readonly #listeners = new Map<string, Listener>();
  readonly #heartbeat: NodeJS.Timeout;
  #closed = false;

  constructor(
    client: RedisClient,
    { commandTimeoutMs = defaultCommandTimeoutMs, onFault = warn }: Omit<RedisEngineOptions, 'urls'>,
  ) {
    this.#client = client;
    this.#commandTimeoutMs = commandTimeoutMs;
    this.#onFault = onFault;
    client.on('smessageBuffer', (channel: Buffer, message: Buffer) => this.#receive(channel.toString(), message));
    // A Cluster's client does this itself; a plain one does it in a way that ends the process when it fails.
    if (!client.isCluster) client.on('ready', () => this.#subscribeAll());
    this.#heartbeat = setInterval(() => {
      if (!client.isCluster && client.status === 'ready') client.ping().catch(() => undefined);
    }, heartbeatMs).unref();
  }

  /** Subscribes, in the place of a listener that was there. Rejects UNAVAILABLE when it can't be done. */
  async add(channel: string, listener: Listener): Promise<void> {
    if (this.#closed) throw new CaasError('DRAINING', 'the connection to Redis is closed');
    // First: whoever stops the one that was there meanwhile must not unsubscribe this one.
    this.#listeners.set(channel, listener);
    try {
      await this.#subscribe(channel);
    } catch (thrown) {
      if (this.#listeners.get(channel) === listener) this.#listeners.delete(channel);
      throw thrown;
    }
  }

  /** Stops a listener, unless another has taken its place. Never rejects: what still comes finds nobody. */
  async remove(channel: string, listener: Listener): Promise<void> {
    if (this.#listeners.get(channel) !== listener) return;
    this.#listeners.delete(channel);
    await this.#bounded(this.#client.sunsubscribe(channel)).catch(() => undefined);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#heartbeat);
    this.#listeners.clear();
    this.#client.disconnect();
  }

  #receive(channel: string, message: Buffer): void {
    const listener = this.#listeners.get(channel);
    if (!listener || listener.receive(message)) return;
    this.#onFault(new CaasError('FAILED_PRECONDITION', 'another listener took over this node id'));
    // Never rejects.
    void this.remove(channel, listener);
  }

  #subscribeAll(): void {
    for (const channel of this.#listeners.keys()) this.#subscribe(channel).catch(this.#onFault);
  }

  async #subscribe(channel: string): Promise<void> {
    if (this.#client.status !== 'ready') throw new CaasError('UNAVAILABLE', 'Redis is not connected');
    await this.#bounded(this.#client.ssubscribe(channel)).catch((fault: unknown) => {
      throw redisFault(fault);
    });
  }

  #bounded<T>(work: Promise<T>): Promise<T> {
    let overdue: NodeJS.Timeout;
    const late = new Promise<never>((_resolve, reject) => {
      overdue = setTimeout(() => {
        const details = { limit: 'commandTimeoutMs' };
        reject(new CaasError('UNAVAILABLE', 'Redis did not answer in time', { details }));
      }, this.#commandTimeoutMs);
    });
    return Promise.race([work, late]).finally(() => clearTimeout(overdue));
  }
}
