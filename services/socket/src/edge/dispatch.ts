import { CaasError, toCaasError, toWireError, traceIdOf, traceparentOr } from '@caas/kit';
import type { ClientFrame } from '@caas/proto/caas/socket/v1/commands';
import type { CommandContext, CommandName, NodeServices, RequestOf } from '../commands/command.ts';
import { runCommand, verbOf } from '../commands/registry.ts';
import type { Connection } from './connection.ts';
import { decodeFrame, idBefore, RefusedFrame } from './decode.ts';
import type { RateName } from './rates.ts';
import type { Hold, Reader } from './read-budget.ts';

/**
 * Runs the frames of one connection. Commands that change something are admitted in the order they came: the next one
 * begins once the one before has its place in the log (`admitted`) or is answered. Reads run beside them.
 */
export class Dispatcher {
  readonly #node: NodeServices;
  readonly #connection: Connection;
  /** Frames that wait for the one that is being admitted; undefined when none is. */
  #waiting: ClientFrame[] | undefined;
  /** Reads that wait for others to end, or for the client to take what it has asked for before. */
  readonly #waitingReads: ClientFrame[] = [];
  #reads = 0;
  readonly #reader: Reader;

  constructor(node: NodeServices, connection: Connection) {
    this.#node = node;
    this.#connection = connection;
    const { tenantId, userId } = connection.claims;
    this.#reader = { tenantId, user: `${tenantId}\0${userId}`, heldBytes: 0, wake: () => this.goOn() };
  }

  /** One frame as it came. Answers it in any case. */
  received(data: Buffer): void {
    const connection = this.#connection;
    const { rates } = connection;
    const now = this.#node.clock.now();
    const untilRead = rates.all.take(now);
    if (untilRead > 0) {
      this.#rateLimited(idBefore(data, connection.subprotocol), 'all', untilRead, '');
      return;
    }
    let frame: ClientFrame;
    try {
      frame = decodeFrame(data, connection.subprotocol);
    } catch (thrown) {
      this.#refused(thrown);
      return;
    }
    const command = frame.command;
    if (!command) return;
    const wait = rates[verbOf(command.$case).rate].take(now);
    if (wait > 0) {
      this.#rateLimited(frame.id, verbOf(command.$case).rate, wait, frame.traceparent);
      return;
    }
    // One that is let through makes up for one that was not: who goes on at twice the rate is closed in the end.
    if (rates.refusals > 0) rates.refusals--;
    connection.inFlight++;
    if (verbOf(command.$case).concurrent) {
      this.#waitingReads.push(frame);
      this.goOn();
    } else if (this.#waiting) this.#waiting.push(frame);
    else this.#admit(frame);
  }

  /** Begins reads that waited, as far as the bounds allow. */
  goOn(): void {
    const { maxReadsInFlight, maxQueuedBytes, maxReplyBytes } = this.#node.bounds;
    for (;;) {
      const frame = this.#waitingReads[0];
      const { closed, backlogBytes } = this.#connection;
      if (!frame || this.#reads >= maxReadsInFlight || backlogBytes > maxQueuedBytes || closed) return;
      const { longReply } = verbOf(frame.command?.$case as CommandName);
      const hold = longReply ? this.#node.reads.take(this.#reader, maxReplyBytes) : undefined;
      if (longReply && !hold) return;
      this.#waitingReads.shift();
      this.#reads++;
      const ended = (): void => {
        this.#reads--;
        this.goOn();
      };
      this.#run(frame, () => undefined, ended, hold);
    }
  }

  #admit(frame: ClientFrame): void {
    this.#waiting ??= [];
    const connection = this.#connection;
    let admitted = false;
    this.#run(frame, () => {
      if (admitted) return;
      admitted = true;
      // What waited when the session ended, or its client left, is not done in its name any more.
      if (connection.closed) this.#dropWaiting();
      const next = this.#waiting?.shift();
      if (next) this.#admit(next);
      else this.#waiting = undefined;
    });
  }

  #dropWaiting(): void {
    this.#connection.inFlight -= (this.#waiting?.length ?? 0) + this.#waitingReads.length;
    this.#waiting = undefined;
    this.#waitingReads.length = 0;
  }

  #run(frame: ClientFrame, admitted: () => void, ended: () => void = admitted, hold?: Hold): void {
    const connection = this.#connection;
    const command = frame.command as NonNullable<ClientFrame['command']>;
    const traceparent = traceparentOr(frame.traceparent === '' ? undefined : frame.traceparent);
    const context: CommandContext = {
      node: this.#node,
      connection,
      traceparent,
      traceId: traceIdOf(traceparent),
      admitted,
    };
    const startedAtMs = performance.now();
    runCommand(context, command.$case as CommandName, command.value as RequestOf<CommandName>)
      .then(
        (result) => {
          connection.reply(frame.id, { result }, hold);
          this.#answered(context, command.$case, startedAtMs);
        },
        (thrown: unknown) => {
          hold?.release();
          this.#failed(frame, toCaasError(thrown), context.traceId);
        },
      )
      .finally(() => {
        connection.inFlight--;
        ended();
        if (connection.ws.isPaused) connection.onRelief();
      });
  }

  /** For who follows a trace; asked first, for most nodes log nothing of each frame. */
  #answered({ node, traceId }: CommandContext, command: string, startedAtMs: number): void {
    if (!node.logger.isLevelEnabled('debug')) return;
    const elapsed_ms = Math.round((performance.now() - startedAtMs) * 10) / 10;
    node.logger.debug({ command, trace_id: traceId, elapsed_ms }, 'frame answered');
  }

  #failed(frame: ClientFrame, error: CaasError, traceId: string): void {
    this.#node.faults.heard(error, 'command failed', { traceId, command: frame.command?.$case });
    this.#connection.refuse(frame.id, toWireError(error, traceId));
  }

  #refused(thrown: unknown): void {
    const connection = this.#connection;
    const traceparent = traceparentOr(thrown instanceof RefusedFrame ? thrown.traceparent : undefined);
    const traceId = traceIdOf(traceparent);
    if (!(thrown instanceof RefusedFrame)) {
      this.#node.logger.error({ err: thrown, traceId }, 'frame could not be decoded');
      connection.refuse('', toWireError(toCaasError(thrown), traceId));
      return;
    }
    // A frame that is refused as it stands costs as much as one that is not.
    const wait = connection.rates.frames.take(this.#node.clock.now());
    if (wait > 0) this.#rateLimited(thrown.id, 'frames', wait, traceparent);
    else connection.refuse(thrown.id, toWireError(thrown.refusal, traceId));
    if (thrown.malformed && ++connection.malformedFrames >= this.#node.bounds.maxMalformedFrames) {
      connection.end('MALFORMED_FRAME', 'too many malformed frames', traceId);
    }
  }

  #rateLimited(id: string, rate: RateName, retryAfterMs: number, traceparent: string): void {
    const connection = this.#connection;
    const traceId = traceIdOf(traceparentOr(traceparent === '' ? undefined : traceparent));
    const details = connection.rates.limitOf(rate);
    connection.refuse(
      id,
      toWireError(new CaasError('RATE_LIMITED', 'too many frames', { retryAfterMs, details }), traceId),
    );
    if (++connection.rates.refusals >= this.#node.bounds.maxRateRefusals)
      connection.end('RATE_LIMITED', 'frames went on after refusals', traceId);
  }
}
