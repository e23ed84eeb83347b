import type { ConnectionOptions } from 'node:tls';
import { ConfigError } from '@caas/kit';
import type { Cluster, Redis } from 'ioredis';
import { isRefusedLogin } from './faults.ts';

/** Longest wait for an answer, in milliseconds. */
export const defaultCommandTimeoutMs = 1_000;
/** Greatest wait before the next try to connect, in milliseconds: what a Redis that came back is waited for. */
const maxReconnectWaitMs = 50;
/** How long the other side may take to end a connection that is closed, in milliseconds. */
const goodbyeMs = 100;
/** How often a Cluster is asked who holds what, in milliseconds. */
const slotsRefreshMs = 5_000;
/** Tries of a command whose Cluster node moved or is gone, and the wait between them, in milliseconds. */
const maxRedirections = 4;
const redirectionWaitMs = 50;

export interface RedisEngineOptions {
  /** `redis://user:password@host:port`, or `rediss://` for TLS. Several are the seeds of a Redis Cluster. */
  urls: readonly string[];
  /** True: a Cluster, also with one seed. */
  cluster?: boolean;
  /** What Node's TLS needs beside the URL, for example a CA of one's own. */
  tls?: ConnectionOptions;
  /** Put before every key and channel; for installations that share a Redis. Default none. */
  keyPrefix?: string;
  /** Longest wait for an answer, in milliseconds; then the call rejects UNAVAILABLE and the connection is made anew. */
  commandTimeoutMs?: number;
  /** For logs: a connection lost (once until it is back), a listener that threw. Default: a process warning. */
  onFault?(fault: unknown): void;
}

export type RedisClient = Redis | Cluster;

export const warn = (fault: unknown): void => {
  process.emitWarning(`redis: ${String(fault)}`);
};

const reconnectWaitMs = (attempt: number): number => Math.min(10 * attempt, maxReconnectWaitMs);

const addressOf = (url: URL) => ({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 6379) });

/** Nothing is sent twice, and nothing lives longer than `commandTimeoutMs` without an answer. */
const connectionOf = (url: URL, { tls, commandTimeoutMs = defaultCommandTimeoutMs }: RedisEngineOptions) => ({
  ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
  ...(url.password !== '' && { password: decodeURIComponent(url.password) }),
  ...(url.protocol === 'rediss:' && { tls: { ...tls } }),
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  disableClientInfo: true,
  connectTimeout: commandTimeoutMs,
  // Of a goodbye; it also passes where there is no connection to say it to.
  disconnectTimeout: goodbyeMs,
  // Also ends a connection whose other side is gone without a word, in the middle of its handshake too.
  socketTimeout: commandTimeoutMs,
  // A primary that has become a replica: the name leads to the new one.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
});

const create = async (options: RedisEngineOptions): Promise<RedisClient> => {
  // Here, not above: loading it is 40 ms that a start on the embedded adapters does not pay.
  const { Cluster, Redis } = await import('ioredis');
  const urls = options.urls.map((url) => new URL(url));
  const [first] = urls;
  if (!first) throw new ConfigError('a URL of Redis is needed');
  const connection = connectionOf(first, options);
  // Nothing waits for a connection: what can't be done now is refused now.
  const enableOfflineQueue = false;
  if (!(options.cluster ?? urls.length > 1))
    return new Redis({ ...addressOf(first), ...connection, enableOfflineQueue, retryStrategy: reconnectWaitMs });
  return new Cluster(urls.map(addressOf), {
    redisOptions: connection,
    enableOfflineQueue,
    // Groups the commands of a turn by the node that holds their keys.
    enableAutoPipelining: true,
    autoPipeliningIgnoredCommands: ['ssubscribe', 'sunsubscribe'],
    shardedSubscribers: true,
    clusterRetryStrategy: reconnectWaitMs,
    clusterNodeRetryStrategy: reconnectWaitMs,
    slotsRefreshInterval: slotsRefreshMs,
    maxRedirections,
    retryDelayOnFailover: redirectionWaitMs,
    retryDelayOnClusterDown: redirectionWaitMs,
  });
};

/**
 * A client that connects by itself, now and whenever the connection is lost. Resolves when it is connected, or after
 * `commandTimeoutMs` without: services start while Redis is away. Rejects with a ConfigError when Redis refuses the user.
 */
export const connectRedis = async (options: RedisEngineOptions): Promise<RedisClient> => {
  const { commandTimeoutMs = defaultCommandTimeoutMs, onFault = warn } = options;
  const client = await create(options);
  let told = false;
  client.on('ready', () => {
    told = false;
  });
  client.on('error', (fault: unknown) => {
    if (!told) onFault(fault);
    told = true;
  });
  const refused = await new Promise<unknown>((resolve) => {
    const overdue = setTimeout(resolve, commandTimeoutMs);
    const settle = (fault?: unknown): void => {
      clearTimeout(overdue);
      resolve(fault);
    };
    client.once('ready', () => settle());
    client.on('error', (fault: unknown) => isRefusedLogin(fault) && settle(fault));
  });
  if (refused === undefined) return client;
  client.disconnect();
  throw new ConfigError('Redis refuses the user or the password of its URL');
};
