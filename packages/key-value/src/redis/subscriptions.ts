import { CaasError } from '@caas/kit';
import { defaultCommandTimeoutMs, type RedisClient, type RedisEngineOptions, warn } from './client.ts';
import { redisFault } from './faults.ts';
import type { Listener } from './listener.ts';

/**
 * How often an idle connection is asked for a sign of life, since a reader sends nothing that would fail, and how often what
 * could not be subscribed is tried again, in milliseconds.
 */
const heartbeatMs = 2_000;

interface Subscription {
  readonly listener: Listener;
  subscribed: boolean;
}

/** The channels this process reads, each with its one listener, subscribed to whenever there is a connection. */
export class Subscriptions {
  readonly #client: RedisClient;
  readonly #claim: (channel: string, claimant: string) => Promise<void>;
  readonly #commandTimeoutMs: number;
  readonly #onFault: (fault: unknown) => void;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #heartbeat: NodeJS.Timeout;
  #closed = false;

  /** `claim` publishes in a channel that its listener is the one from now on. */
  constructor(
    client: RedisClient,
    claim: (channel: string, claimant: string) => Promise<void>,
    { commandTimeoutMs = defaultCommandTimeoutMs, onFault = warn }: Omit<RedisEngineOptions, 'urls'>,
  ) {
    this.#client = client;
    this.#claim = claim;
    this.#commandTimeoutMs = commandTimeoutMs;
    this.#onFault = onFault;
    client.on('smessageBuffer', (channel: Buffer, message: Buffer) => this.#receive(channel.toString(), message));
    // Not left to the client: it does this in a way that ends the process when it fails.
    client.on('ready', () => this.#resubscribe());
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs).unref();
  }

  /** Reads a channel, in the place of a listener that was there; while Redis is away as soon as it is back. */
  async add(channel: string, listener: Listener): Promise<void> {
    if (this.#closed) throw new CaasError('DRAINING', 'the connection to Redis is closed');
    // First: whoever stops the one that was there meanwhile must not unsubscribe this one.
    const subscription = { listener, subscribed: false };
    this.#subscriptions.set(channel, subscription);
    try {
      await this.#settle(channel, subscription);
    } catch (thrown) {
      if ((thrown as CaasError).reason === 'UNAVAILABLE') return this.#onFault(thrown);
      if (this.#subscriptions.get(channel) === subscription) this.#subscriptions.delete(channel);
      throw thrown;
    }
  }

  /** Stops a listener, unless another has taken its place. Never rejects: what still comes finds nobody. */
  async remove(channel: string, listener: Listener): Promise<void> {
    if (this.#subscriptions.get(channel)?.listener !== listener) return;
    this.#subscriptions.delete(channel);
    await this.#bounded(this.#client.sunsubscribe(channel)).catch(() => undefined);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#heartbeat);
    this.#subscriptions.clear();
    this.#client.disconnect();
  }

  #receive(channel: string, message: Buffer): void {
    const listener = this.#subscriptions.get(channel)?.listener;
    if (!listener || listener.receive(message)) return;
    this.#onFault(new CaasError('FAILED_PRECONDITION', 'another listener took over this node id'));
    // Never rejects.
    void this.remove(channel, listener);
  }

  #resubscribe(): void {
    for (const subscription of this.#subscriptions.values()) subscription.subscribed = false;
    this.#settleAll();
  }

  #beat(): void {
    if (this.#client.status !== 'ready') return;
    // A Cluster's client keeps its readers to itself.
    if (!this.#client.isCluster) this.#client.ping().catch(() => undefined);
    this.#settleAll();
  }

  #settleAll(): void {
    for (const [channel, subscription] of this.#subscriptions)
      this.#settle(channel, subscription).catch((fault: unknown) => this.#onFault(fault));
  }

  /** Does what is still to be done for a subscription: to subscribe, and to claim the channel once. */
  async #settle(channel: string, subscription: Subscription): Promise<void> {
    if (!subscription.subscribed) {
      if (this.#client.status !== 'ready') throw new CaasError('UNAVAILABLE', 'Redis is not connected');
      await this.#bounded(this.#client.ssubscribe(channel)).catch((fault: unknown) => {
        throw redisFault(fault);
      });
      subscription.subscribed = true;
    }
    const { listener } = subscription;
    if (!listener.claimed) await this.#claim(channel, listener.claimant);
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
