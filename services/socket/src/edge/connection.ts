import type { Duplex } from 'node:stream';
import { CaasError, type Clock, newTraceparent, type Reason, ruleOf, toWireError, traceIdOf } from '@caas/kit';
import type { Claims } from '@caas/proto/caas/common/v1/claims';
import type { Error as WireError } from '@caas/proto/caas/common/v1/errors';
import type { Event, Reply, Welcome } from '@caas/proto/caas/socket/v1/server_frames';
import type { WebSocket } from 'ws';
import type { Turn } from '../delivery/turn.ts';
import type { Limits, NodeBounds } from '../limits.ts';
import { EncodedEvent, errorJson, errorProto, replyJson, replyProto } from './encode.ts';
import { binaryFrames, pingFrame, type Subprotocol, textFrames } from './frames.ts';
import { Rates } from './rates.ts';
import type { Hold } from './read-budget.ts';

export interface ConnectionContext {
  turn: Turn;
  bounds: Readonly<NodeBounds>;
  clock: Clock;
  origin?: string | undefined;
  /** True while reads of others wait for the node's memory. */
  pressed?: () => boolean;
  /** Told when the node ends the connection. */
  ended?: (reason: Reason) => unknown;
}

let lastConnectionId = 0;

/**
 * One authenticated WebSocket. Owns the queue towards its client: replies always go in, events only while the client
 * reads. Frames are written to the socket directly (one write a turn); control frames go through `ws`, which writes to
 * the same socket in the same order.
 */
export class Connection {
  readonly id: number = ++lastConnectionId;
  readonly subprotocol: Subprotocol;
  readonly ws: WebSocket;
  /** Origin of the browser the connection came from; undefined: not a browser. */
  readonly origin: string | undefined;
  claims: Claims;
  #limits: Limits;
  #rates: Rates;
  /** Commands in work. */
  inFlight = 0;
  malformedFrames = 0;
  /** Called when a command was answered or the client has taken what was sent: reading may go on. */
  onRelief: () => void = () => undefined;
  /** Users whose presence the client watches. */
  watching: readonly string[] = [];
  readonly #socket: Duplex;
  readonly #context: ConnectionContext;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #closed = false;
  /** False until the welcome, which is the first frame; what happens before, the client's sync finds. */
  #welcomed = false;
  /** Since when events are dropped because the client does not read; 0: they are not. */
  #lossySinceMs = 0;
  /** What is set aside for answers the client has not taken; since when it has taken none of them. */
  readonly #untaken = new Set<Hold>();
  #untakenSinceMs = 0;
  /** Those of `#untaken` that are in the queue. */
  #queuedHolds: Hold[] = [];
  #heardAtMs: number;
  #pingedAtMs = 0;

  constructor(
    ws: WebSocket,
    socket: Duplex,
    subprotocol: Subprotocol,
    claims: Claims,
    limits: Limits,
    context: ConnectionContext,
  ) {
    this.ws = ws;
    this.#socket = socket;
    this.subprotocol = subprotocol;
    this.claims = claims;
    this.#limits = limits;
    this.origin = context.origin;
    this.#context = context;
    this.#heardAtMs = context.clock.now();
    this.#rates = new Rates(limits);
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** The user's rates, shared by all of the user's connections to this node. */
  get rates(): Rates {
    return this.#rates;
  }

  /** Goes on with the rates of the user's other or last connection, under the limits of this one's token. */
  shareRates(rates: Rates): void {
    this.#rates = rates;
    rates.adjust(this.#limits);
  }

  /** Limits that came with a new token; they hold for the user's other connections' rates, too. */
  renewLimits(limits: Limits): void {
    this.#limits = limits;
    this.#rates.adjust(limits);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes the client has not taken yet. */
  get backlogBytes(): number {
    return this.#queuedBytes + this.#socket.writableLength;
  }

  /** Answers a command; what was set aside for the answer is released when the client has taken it. */
  reply(id: string, reply: Reply, hold?: Hold): void {
    if (this.#closed) {
      hold?.release();
      return;
    }
    const frames =
      this.subprotocol === 'caas.v1.json' ? textFrames([replyJson(id, reply)]) : binaryFrames([replyProto(id, reply)]);
    if (hold) {
      hold.settle(frames.length);
      if (this.#untaken.size === 0) this.#untakenSinceMs = this.#context.clock.now();
      this.#untaken.add(hold);
      this.#queuedHolds.push(hold);
    }
    this.#enqueue(frames);
  }

  /** Answers a command with its refusal; with an empty id it is about the connection. */
  refuse(id: string, error: WireError): void {
    this.#enqueue(
      this.subprotocol === 'caas.v1.json' ? textFrames([errorJson(id, error)]) : binaryFrames([errorProto(id, error)]),
    );
  }

  /** An event for this connection alone. */
  event(event: Event): void {
    const encoded = new EncodedEvent(event);
    this.enqueueEvents(
      this.subprotocol === 'caas.v1.json' ? textFrames([encoded.json]) : binaryFrames([encoded.proto]),
    );
  }

  /** The first frame; from here on events are sent. */
  welcome(welcome: Welcome): void {
    this.#welcomed = true;
    this.event({ event: { $case: 'welcome', value: welcome } });
  }

  /** Frames shared with other receivers; dropped, and the client told later, when it does not read. */
  enqueueEvents(frames: Buffer): void {
    if (!this.#welcomed || this.#lossySinceMs !== 0) return;
    if (this.backlogBytes + frames.length > this.#context.bounds.maxQueuedBytes) {
      this.#lossySinceMs = this.#context.clock.now();
      return;
    }
    this.#enqueue(frames);
  }

  /** Writes what the turn queued. */
  flush(): void {
    const queue = this.#queue;
    if (queue.length === 0 || this.#closed) return;
    this.#queue = [];
    this.#queuedBytes = 0;
    // Nothing may follow a close frame, the answer to the peer's included.
    if (this.ws.readyState !== this.ws.OPEN) return;
    if (this.#queuedHolds.length > 0) {
      this.#writeHeld(queue, this.#queuedHolds);
      return;
    }
    if (queue.length === 1) {
      this.#socket.write(queue[0]);
      return;
    }
    // Copied together: for what a turn queues that is cheaper than one system call with many pieces.
    this.#socket.write(Buffer.concat(queue));
  }

  /** Long answers are not copied: one write of all pieces, after which what was set aside for them is released. */
  #writeHeld(queue: readonly Buffer[], holds: readonly Hold[]): void {
    this.#queuedHolds = [];
    this.#socket.cork();
    for (const [i, frames] of queue.entries())
      if (i < queue.length - 1) this.#socket.write(frames);
      else this.#socket.write(frames, () => this.#taken(holds));
    this.#socket.uncork();
  }

  #taken(holds: Iterable<Hold>): void {
    this.#untakenSinceMs = this.#context.clock.now();
    for (const hold of holds) {
      this.#untaken.delete(hold);
      hold.release();
    }
  }

  /** Anything came in: the client lives. */
  heard(): void {
    this.#heardAtMs = this.#context.clock.now();
    this.#pingedAtMs = 0;
  }

  /** Once a second: pings, the answer to pings, token expiry, and the way out of or the end for a slow reader. */
  tick(nowMs: number): void {
    if (this.#closed) return;
    const { bounds } = this.#context;
    // A clock that was put back must not make silence last, nor what follows from it.
    this.#heardAtMs = Math.min(this.#heardAtMs, nowMs);
    this.#pingedAtMs = Math.min(this.#pingedAtMs, nowMs);
    this.#lossySinceMs = Math.min(this.#lossySinceMs, nowMs);
    if (this.claims.expiresAtMs <= nowMs) {
      this.end('TOKEN_EXPIRED', 'the access token has expired');
      return;
    }
    this.#untakenSinceMs = Math.min(this.#untakenSinceMs, nowMs);
    const patienceMs = this.#context.pressed?.() ? bounds.pressedConsumerMs : bounds.slowConsumerMs;
    if (this.#untaken.size > 0 && nowMs - this.#untakenSinceMs >= patienceMs) {
      this.end('SLOW_CONSUMER', 'the connection did not read what it had asked for');
      return;
    }
    if (this.#lossySinceMs !== 0) {
      if (this.backlogBytes <= bounds.maxQueuedBytes / 4) {
        this.#lossySinceMs = 0;
        this.event({ event: { $case: 'limited', value: { conversationId: '', startSeq: 0, startDigest: '' } } });
      } else if (nowMs - this.#lossySinceMs >= bounds.slowConsumerMs) {
        this.end('SLOW_CONSUMER', 'the connection did not read what was sent to it');
        return;
      }
    }
    if (this.#pingedAtMs !== 0) {
      if (nowMs - this.#pingedAtMs >= bounds.pongTimeoutMs) this.end('PING_TIMEOUT', 'no answer to a ping');
    } else if (nowMs - this.#heardAtMs >= bounds.pingIntervalMs) {
      this.#pingedAtMs = nowMs;
      this.#socket.write(pingFrame);
    }
  }

  /** Ends the connection for a reason: tells it, then closes with the reason's code. */
  end(reason: Reason, message: string, traceId = traceIdOf(newTraceparent())): void {
    if (this.#closed) return;
    const error = new CaasError(reason, message);
    this.refuse('', toWireError(error, traceId));
    this.flush();
    this.#closed = true;
    this.#context.ended?.(reason);
    this.ws.close(ruleOf(reason).close || 1011, reason);
    // A peer that does not answer the close is not waited for.
    setTimeout(() => this.ws.terminate(), 2_000).unref();
  }

  /** The socket is gone. */
  dropped(): void {
    this.#closed = true;
    this.#taken([...this.#untaken]);
    this.#queuedHolds = [];
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  #enqueue(frames: Buffer): void {
    if (this.#closed) return;
    if (this.#queue.length === 0) this.#context.turn.touch(this);
    this.#queue.push(frames);
    this.#queuedBytes += frames.length;
  }
}
