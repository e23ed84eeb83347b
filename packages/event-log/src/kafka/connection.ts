import { connect as connectTcp } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { ISocketFactory, SASLOptions } from 'kafkajs';

/** How a cluster is reached. */
export interface KafkaConnection {
  /** host:port of some brokers; the others are learned from them. */
  brokers: readonly string[];
  /** Name of this client in the brokers' logs and quotas. */
  clientId?: string;
  /** TLS to the brokers: true, or what Node's tls.connect takes (ca, cert, key, servername …). Default: plain TCP. */
  tls?: ConnectionOptions | true;
  /** SASL: plain, scram-sha-256, scram-sha-512, oauthbearer. */
  sasl?: SASLOptions;
  connectTimeoutMs?: number;
  /** How long an answer is awaited; after it the connection is dropped. */
  requestTimeoutMs?: number;
  /** How sockets are made, for brokers behind a tunnel. Default: directly, without Nagle's algorithm. */
  socketFactory?: ISocketFactory;
}

export const defaultConnectTimeoutMs = 3_000;
export const defaultRequestTimeoutMs = 5_000;
const keepAliveMs = 30_000;

/** A small request waits for no other: Nagle's algorithm is off, which kafkajs leaves on. */
export const noDelaySockets: ISocketFactory = ({ host, port, ssl, onConnect }) => {
  const socket = ssl
    ? connectTls({ host, port, ...(/[a-z]/i.test(host) && { servername: host }), ...ssl }, onConnect)
    : connectTcp({ host, port }, onConnect);
  return socket.setKeepAlive(true, keepAliveMs).setNoDelay(true);
};
