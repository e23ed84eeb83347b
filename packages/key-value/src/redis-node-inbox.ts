import { CaasError } from '@caas/kit';
import { inboxChannel } from './keys.ts';
import { maxEnvelopeBytes } from './memory-node-inbox.ts';
import type { NodeInbox } from './port.ts';
import { connectRedis, type RedisClient, type RedisEngineOptions, warn } from './redis/client.ts';
import { Listener } from './redis/listener.ts';
import { encodeParcel, newSender } from './redis/parcel.ts';
import { Subscriptions } from './redis/subscriptions.ts';
import { TurnPipeline, type TurnPipelineOptions } from './redis/turn-pipeline.ts';

export type RedisNodeInboxOptions = RedisEngineOptions & TurnPipelineOptions;

/**
 * Opens NodeInbox on a Redis of version 7 at least, or a Redis Cluster, by sharded publish and subscribe: a channel a node.
 * What is sent while a node's subscription is lost is lost; it is subscribed again as soon as Redis is back.
 */
export const openRedisNodeInbox = async (options: RedisNodeInboxOptions): Promise<NodeInbox> => {
  const publisher = await connectRedis(options);
  try {
    // A connection of its own: Redis ends that of a reader too slow, and sending must not end with it.
    const reader = await connectRedis(options);
    return new RedisNodeInbox(new TurnPipeline(publisher, options), reader, options);
  } catch (thrown) {
    publisher.disconnect();
    throw thrown;
  }
};

class RedisNodeInbox implements NodeInbox {
  readonly #pipeline: TurnPipeline;
  readonly #subscriptions: Subscriptions;
  readonly #keyPrefix: string;
  readonly #onFault: (fault: unknown) => void;
  readonly #sender = newSender();
  #number = 0;

  constructor(pipeline: TurnPipeline, reader: RedisClient, options: RedisNodeInboxOptions) {
    this.#pipeline = pipeline;
    this.#keyPrefix = options.keyPrefix ?? '';
    this.#onFault = options.onFault ?? warn;
    const claim = (channel: string, claimant: string) => this.#publish(channel, encodeParcel('claim', claimant, 0));
    this.#subscriptions = new Subscriptions(reader, claim, options);
  }

  async send(nodeId: string, envelope: Uint8Array): Promise<void> {
    if (envelope.byteLength > maxEnvelopeBytes)
      throw new CaasError('INVALID_ARGUMENT', 'the envelope is too large', { details: { limit: 'maxEnvelopeBytes' } });
    await this.#publish(this.#channelOf(nodeId), encodeParcel('envelope', this.#sender, this.#number++, envelope));
  }

  /**
   * A listener of the node elsewhere is told to stop. While Redis is away `onFault` is told and the listener hears from when
   * it is back: a node starts without it.
   */
  async listen(nodeId: string, handler: (envelope: Uint8Array) => void): Promise<() => Promise<void>> {
    const channel = this.#channelOf(nodeId);
    const listener = new Listener(handler, this.#onFault);
    await this.#subscriptions.add(channel, listener);
    return () => this.#subscriptions.remove(channel, listener);
  }

  async close(): Promise<void> {
    this.#subscriptions.close();
    await this.#pipeline.close();
  }

  #channelOf(nodeId: string): string {
    return this.#keyPrefix + inboxChannel(nodeId);
  }

  async #publish(channel: string, parcel: Buffer): Promise<void> {
    await this.#pipeline.run([['spublish', channel, parcel]]);
  }
}
