import type { LatencyRecorder } from './latency.ts';
import { idDigits, readDigits, stampDigits } from './send-template.ts';
import { maskedFrame, RawSocket } from './socket.ts';

/** What all members of a conversation have received together. */
export interface Tally {
  deliveries: number;
  heads: number;
  /** Other events, by the first letters of their frame. */
  others: Map<string, number>;
}

export const newTally = (): Tally => ({ deliveries: 0, heads: 0, others: new Map() });

const letter = { d: 0x64, e: 0x65, h: 0x68, i: 0x69, m: 0x6d, r: 0x72, quote: 0x22 };
/** `{"id":"` */
const idAt = 7;
/** `{"event":{"` */
const eventAt = 11;
const bodyAt = idAt + idDigits + 3;
const textField = Buffer.from('"text":"');

interface Ask {
  resolve(result: Record<string, unknown>): void;
  reject(error: Error): void;
}

/** An error in answer to a command; with a time when it may be repeated. */
export class Refused extends Error {
  readonly retryAfterMs: number | undefined;
  constructor(text: string, retryAfterMs: number | undefined) {
    super(`refused: ${text}`);
    this.retryAfterMs = retryAfterMs;
  }
}

/** One connection of the load: tells frames apart by their first bytes and counts them. */
export class Member {
  readonly userId: string;
  readonly tally: Tally;
  /** Called with the id of each accepted send. */
  onAccepted: (id: number) => void = () => undefined;
  /** Records the age of every delivery; undefined: they are only counted. */
  deliveryAge: LatencyRecorder | undefined;
  socket!: RawSocket;
  readonly #asks = new Map<string, Ask>();
  #lastAsk = 0;
  #welcomed: (() => void) | undefined;

  private constructor(userId: string, tally: Tally) {
    this.userId = userId;
    this.tally = tally;
  }

  /** Connects; resolves when the server has said welcome. */
  static async connect(url: string, token: string | undefined, userId: string, tally: Tally): Promise<Member> {
    const member = new Member(userId, tally);
    const welcomed = new Promise<void>((resolve) => {
      member.#welcomed = resolve;
    });
    member.socket = await RawSocket.open(url, token, (bytes, start, end) => member.#frame(bytes, start, end));
    member.socket.onClose = (why) => {
      throw new Error(`the connection to ${url} was closed: ${why}`);
    };
    await welcomed;
    return member;
  }

  /** A command other than the sends under measure; resolves with the reply's result. */
  request(command: Record<string, unknown>): Promise<Record<string, unknown>> {
    const id = `r${++this.#lastAsk}`;
    return new Promise((resolve, reject) => {
      this.#asks.set(id, { resolve, reject });
      this.socket.write(maskedFrame(JSON.stringify({ id, ...command })).frame);
    });
  }

  #frame(bytes: Buffer, start: number, end: number): void {
    const kind = bytes[start + 2];
    if (kind === letter.i) this.#answer(bytes, start, end);
    else if (bytes[start + 3] === letter.r)
      throw new Error(`the server refused: ${bytes.toString('utf8', start, end)}`);
    else this.#event(bytes, start, end);
  }

  #answer(bytes: Buffer, start: number, end: number): void {
    if (bytes[start + idAt] === letter.r) {
      this.#answerToAsk(bytes.toString('utf8', start, end));
      return;
    }
    if (bytes[start + bodyAt] !== letter.r)
      throw new Error(`a send was refused: ${bytes.toString('utf8', start, end)}`);
    this.onAccepted(readDigits(bytes, start + idAt, idDigits));
  }

  #answerToAsk(text: string): void {
    const frame = JSON.parse(text) as {
      id: string;
      reply?: Record<string, unknown>;
      error?: { retryAfterMs?: number };
    };
    const ask = this.#asks.get(frame.id);
    this.#asks.delete(frame.id);
    if (frame.reply) ask?.resolve(frame.reply);
    else ask?.reject(new Refused(text, frame.error?.retryAfterMs));
  }

  #event(bytes: Buffer, start: number, end: number): void {
    const at = start + eventAt;
    if (bytes[at] === letter.m && bytes[at + 1] === letter.e && bytes[at + 7] === letter.quote) {
      this.tally.deliveries++;
      if (this.deliveryAge) {
        const textAt = bytes.indexOf(textField, start) + textField.length;
        this.deliveryAge.record(performance.now() - readDigits(bytes, textAt, stampDigits) / 1_000);
      }
    } else if (bytes[at] === letter.h) {
      this.tally.heads++;
    } else {
      const name = bytes.toString('latin1', at, Math.min(end, at + 8));
      if (name.startsWith('welcome')) this.#welcomed?.();
      this.tally.others.set(name, (this.tally.others.get(name) ?? 0) + 1);
    }
  }
}
