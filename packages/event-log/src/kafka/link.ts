/**
 * Connections to a cluster's brokers, one a broker, and who leads what.
 *
 * kafkajs serves as the protocol here: sockets, TLS, SASL, versions, encoding. Its producer and consumer are not used.
 * Its idempotent producer acknowledges records it has not written when an answer is lost (sends in flight share a sequence)
 * or when a leader moves within a retry (the new leader's answer to another part passes for this part's); its consumer's
 * commits are retried over a rebalance under the next generation, fetches wait for the slowest handler, and a heartbeat
 * needs a fetch. Its own retries and a `disconnect` that waits for lost answers are below `Broker` too, so this sits on that.
 */
import Broker from 'kafkajs/src/broker/index.js';
import { createLogger } from 'kafkajs/src/loggers/index.js';
import ConnectionPool, { type Connection, type ProtocolCall } from 'kafkajs/src/network/connectionPool.js';
import apiKeys from 'kafkajs/src/protocol/requests/apiKeys.js';
import { requests } from 'kafkajs/src/protocol/requests/index.js';
import { NotSent } from './codes.ts';
import {
  defaultConnectTimeoutMs,
  defaultRequestTimeoutMs,
  type KafkaConnection,
  noDelaySockets,
} from './connection.ts';
import type { Answers, MetadataAnswer } from './protocol.ts';

const silent = createLogger({ level: 0, logCreator: () => () => undefined });

interface Address {
  host: string;
  port: number;
}

const addressOf = (text: string): Address => {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at), port: Number(text.slice(at + 1)) };
};

export class KafkaLink {
  readonly #connection: KafkaConnection;
  readonly #topics: readonly string[];
  readonly #brokers = new Map<string, Promise<Broker>>();
  #addresses = new Map<number, Address>();
  #leaders = new Map<string, ReadonlyMap<number, number>>();
  #refreshedAtMs = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | undefined;
  #turn = 0;
  #closed = false;

  /** @param topics the topics whose leaders are learned. */
  constructor(connection: KafkaConnection, topics: readonly string[]) {
    this.#connection = connection;
    this.#topics = topics;
  }

  /** Node that leads a partition, as far as is known. */
  leader(topic: string, partition: number): number | undefined {
    const leader = this.#leaders.get(topic)?.get(partition);
    return leader !== undefined && this.#addresses.has(leader) ? leader : undefined;
  }

  /** Partitions of a topic, as far as is known; 0: none. */
  partitions(topic: string): number {
    return this.#leaders.get(topic)?.size ?? 0;
  }

  /** host:port of every broker that is known. */
  get addresses(): string[] {
    return [...this.#addresses.values()].map(({ host, port }) => `${host}:${port}`);
  }

  /** Time since the leaders were last learned, in milliseconds. */
  get ageMs(): number {
    return performance.now() - this.#refreshedAtMs;
  }

  /** Learns the brokers and leaders anew; calls at the same time share one look. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /**
   * Asks a broker; the answer as it came, error codes and all. Rejects NotSent when nothing was sent; after any other
   * rejection the request may have been carried out.
   *
   * @param node undefined: any that answers.
   */
  async call<A extends keyof Answers>(node: number | undefined, api: A, args: object): Promise<Answers[A]> {
    if (node !== undefined && !this.#addresses.has(node)) await this.refresh();
    const address = node === undefined ? this.#anyAddress() : this.#addresses.get(node);
    if (!address) throw new NotSent(`broker ${node} is not known`);
    return this.#ask(address, api, args);
  }

  /** Drops every connection for good; requests in flight reject. */
  close(): void {
    this.#closed = true;
    this.reset();
  }

  /** Drops every connection; requests in flight reject, the next ones connect anew. */
  reset(): void {
    for (const [name, broker] of this.#brokers) this.#drop(name, broker);
  }

  async #refresh(): Promise<void> {
    let last: unknown;
    for (let attempt = 0; attempt < this.#addresses.size + this.#connection.brokers.length; attempt += 1) {
      try {
        this.#learn(await this.#ask(this.#anyAddress(), 'Metadata', { topics: this.#topics }));
        return;
      } catch (thrown) {
        last = thrown;
      }
    }
    throw last;
  }

  #learn({ brokers, topicMetadata }: MetadataAnswer): void {
    if (brokers.length > 0)
      this.#addresses = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    for (const { topic, partitionMetadata } of topicMetadata)
      this.#leaders.set(topic, new Map(partitionMetadata.map(({ partitionId, leader }) => [partitionId, leader])));
    this.#refreshedAtMs = performance.now();
  }

  /** The known brokers and the configured ones in turn. */
  #anyAddress(): Address {
    const all = [...this.#addresses.values(), ...this.#connection.brokers.map(addressOf)];
    return all[this.#turn++ % all.length] as Address;
  }

  async #ask<A extends keyof Answers>(address: Address, api: A, args: object): Promise<Answers[A]> {
    const name = `${address.host}:${address.port}`;
    const opening = this.#brokers.get(name) ?? this.#open(name, address);
    const broker = await opening.catch((cause: unknown) => {
      throw new NotSent(`no connection to ${name}`, { cause });
    });
    const connection = broker.connectionPool.pool[0] as Connection;
    if (!connection.isConnected()) {
      this.#drop(name, opening);
      throw new NotSent(`the connection to ${name} is closed`);
    }
    const { request, response, requestTimeout } = broker.lookupRequest(
      apiKeys[api] as number,
      requests[api],
    )({
      allowAutoTopicCreation: false,
      ...args,
    });
    const parse = async (decoded: unknown): Promise<unknown> => decoded;
    const call: ProtocolCall = { request, response: { decode: response.decode, parse } };
    if (requestTimeout !== undefined) call.requestTimeout = requestTimeout;
    try {
      return (await connection.send(call)) as Answers[A];
    } catch (thrown) {
      // After a lost answer nothing of this connection is trusted: another answer may be late, or behind the same hole.
      this.#drop(name, opening);
      throw thrown;
    }
  }

  #open(name: string, { host, port }: Address): Promise<Broker> {
    if (this.#closed) return Promise.reject(new Error('the link is closed'));
    const { tls, sasl, clientId, connectTimeoutMs, requestTimeoutMs, socketFactory } = this.#connection;
    const connectionPool = new ConnectionPool({
      host,
      port,
      rack: null,
      logger: silent,
      socketFactory: socketFactory ?? noDelaySockets,
      ssl: tls === true ? {} : (tls ?? null),
      sasl,
      clientId: clientId ?? 'caas',
      connectionTimeout: connectTimeoutMs ?? defaultConnectTimeoutMs,
      requestTimeout: requestTimeoutMs ?? defaultRequestTimeoutMs,
      enforceRequestTimeout: true,
    });
    const broker = new Broker({ connectionPool, logger: silent, allowAutoTopicCreation: false });
    const opening = broker.connect().then(
      () => broker,
      (thrown: unknown) => {
        destroy(broker);
        if (this.#brokers.get(name) === opening) this.#brokers.delete(name);
        throw thrown;
      },
    );
    this.#brokers.set(name, opening);
    return opening;
  }

  #drop(name: string, opening: Promise<Broker>): void {
    if (this.#brokers.get(name) === opening) this.#brokers.delete(name);
    opening.then(destroy, () => undefined);
  }
}

/** Unlike kafkajs's disconnect this does not wait for answers that will not come. */
const destroy = ({ connectionPool }: Broker): void => {
  for (const connection of connectionPool.pool) {
    connection.requestQueue.destroy();
    connection.rejectRequests(new Error('connection dropped'));
    connection.socket?.destroy();
  }
};
