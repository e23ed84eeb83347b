import type { TenantLimits } from '@caas/proto/caas/common/v1/claims';

/** What a tenant's users may do. What a tenant may be given at most is `tenantLimitCeilings` of the kit. */
export interface Limits {
  /** Text of a message, UTF-8 bytes. */
  maxTextBytes: number;
  /** Attachments of a message. */
  maxAttachments: number;
  /** Mentions of a message. */
  maxMentions: number;
  /** Kinds of reaction on a message. */
  maxReactionKinds: number;
  /** Members of a conversation. */
  maxMembers: number;
  /** Conversations a user is a member of. */
  maxConversations: number;
  /** Sends of a user per second, sustained, per node. */
  sendsPerSecond: number;
  /** Sends of a user at once. */
  sendsBurst: number;
  /** Other frames of a user per minute, per node. */
  framesPerMinute: number;
  /** Open connections of a user, over all nodes. */
  maxConnections: number;
}

export const defaultLimits: Readonly<Limits> = {
  maxTextBytes: 16 * 1024,
  maxAttachments: 30,
  maxMentions: 100,
  maxReactionKinds: 50,
  maxMembers: 100_000,
  maxConversations: 10_000,
  sendsPerSecond: 10,
  sendsBurst: 30,
  framesPerMinute: 120,
  maxConnections: 10,
};

/** The tenant's limits over the defaults, each within its ceiling. */
export const limitsOf = (
  tenant: TenantLimits | undefined,
  defaults: Readonly<Limits>,
  ceilings: Readonly<Limits>,
): Limits => {
  const limits = { ...defaults };
  for (const name of Object.keys(limits) as (keyof Limits)[]) {
    const own = tenant?.[name];
    if (own !== undefined && own > 0) limits[name] = Math.min(own, ceilings[name]);
  }
  return limits;
};

/** Bounds of a node that no tenant changes. */
export interface NodeBounds {
  /** One frame from a client, bytes; a larger one closes the connection with 1009. */
  maxFrameBytes: number;
  /** Fragments one frame may come in. */
  maxFragments: number;
  /** Bytes waiting to be written to one connection before its events are dropped and it is told `limited`. */
  maxQueuedBytes: number;
  /**
   * How long a connection may stay over its queue bound, or take nothing of an answer to a read, before it is closed as
   * SLOW_CONSUMER, ms.
   */
  slowConsumerMs: number;
  /** Commands of one connection in work; reading pauses at it. */
  maxCommandsInFlight: number;
  /** Reads of one connection in work; others wait, also while more than `maxQueuedBytes` wait for the client. */
  maxReadsInFlight: number;
  /** Bytes of answers to reads, under way or not taken by the client, of one connection; further reads wait. */
  maxConnectionReadBytes: number;
  /** The same of all connections of a user. */
  maxUserReadBytes: number;
  /** The same of all connections of a tenant: below `maxReadBytes`, so that no tenant alone makes others wait. */
  maxTenantReadBytes: number;
  /** The same of all connections of the node. */
  maxReadBytes: number;
  /** What takes the place of `slowConsumerMs` for answers not taken while reads wait for the node's or the tenant's bytes, ms. */
  pressedConsumerMs: number;
  /** Malformed frames after which a connection is closed. */
  maxMalformedFrames: number;
  /** Rate refusals of a user, less the frames let through since, from which on each closes its connection. */
  maxRateRefusals: number;
  /** Messages or entries of one reply, bytes of JSON; a page ends at it, with one at least. */
  maxReplyBytes: number;
  /** Silence after which the node pings, ms. */
  pingIntervalMs: number;
  /** How long the answer to a ping may take, ms. */
  pongTimeoutMs: number;
  /** Sockets of one address that are no WebSocket, or not yet; more are cut off. 0: any number, behind a proxy. */
  maxPlainPerAddress: number;
  /** How long a request, an upgrade included, may take to arrive, ms. */
  requestTimeoutMs: number;
  /** Open connections of the node. */
  maxConnections: number;
  /** Accepted but unanswered sends of the node. */
  maxPendingSends: number;
  /** How long a change of a conversation may take to be committed before its command answers DEADLINE_EXCEEDED, ms. */
  commitTimeoutMs: number;
  /** How long a draining node keeps its connections, ms; then at most as long again for the answers under way. */
  drainMs: number;
  /** How often heads of active conversations are compared with the store, ms. */
  headCheckMs: number;
  /** How often heads of idle conversations are compared with the store, ms. */
  idleHeadCheckMs: number;
  /** Sends kept to answer retries from memory. */
  maxRecentSends: number;
}

export const defaultBounds: Readonly<NodeBounds> = {
  maxFrameBytes: 64 * 1024,
  maxFragments: 64,
  maxQueuedBytes: 1024 * 1024,
  slowConsumerMs: 15_000,
  maxCommandsInFlight: 64,
  maxReadsInFlight: 8,
  maxConnectionReadBytes: 2 * 1024 * 1024,
  maxUserReadBytes: 8 * 1024 * 1024,
  maxTenantReadBytes: 32 * 1024 * 1024,
  maxReadBytes: 64 * 1024 * 1024,
  pressedConsumerMs: 3_000,
  maxMalformedFrames: 5,
  maxRateRefusals: 200,
  maxReplyBytes: 1024 * 1024,
  pingIntervalMs: 25_000,
  pongTimeoutMs: 8_000,
  maxPlainPerAddress: 5_000,
  requestTimeoutMs: 10_000,
  maxConnections: 50_000,
  maxPendingSends: 50_000,
  commitTimeoutMs: 10_000,
  drainMs: 10_000,
  headCheckMs: 1_000,
  idleHeadCheckMs: 30_000,
  maxRecentSends: 50_000,
};
