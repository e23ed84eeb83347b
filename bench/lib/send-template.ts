import { mask, maskedFrame } from './socket.ts';

export const idDigits = 10;
export const stampDigits = 12;
const zero = 0x30 ^ mask;

/**
 * A `sendMessage` frame in which only id and time change from send to send: digits are written over digits, so that a
 * send costs the generator next to nothing. The text begins with the time of the send, microseconds.
 */
export class SendTemplate {
  readonly #frame: Buffer;
  readonly #idAt: number;
  readonly #clientIdAt: number;
  readonly #stampAt: number;

  constructor(conversationId: string, sender: string, bodyBytes: number) {
    const zeros = '0'.repeat(idDigits);
    const clientMsgId = `${sender}-${zeros}`;
    const text = '0'.repeat(stampDigits).padEnd(bodyBytes, ' the quick brown fox jumps over the lazy dog');
    const json = JSON.stringify({ id: zeros, sendMessage: { conversationId, clientMsgId, content: { text } } });
    const { frame, payloadAt } = maskedFrame(json);
    this.#frame = frame;
    this.#idAt = payloadAt + json.indexOf(zeros);
    this.#clientIdAt = payloadAt + json.indexOf(clientMsgId) + sender.length + 1;
    this.#stampAt = payloadAt + json.indexOf(text);
  }

  /** The frame for the send `id` at `nowMs`. Valid until the next call unless `copied`. */
  fill(id: number, nowMs: number): Buffer {
    this.#digits(this.#idAt, idDigits, id);
    this.#digits(this.#clientIdAt, idDigits, id);
    this.#digits(this.#stampAt, stampDigits, Math.round(nowMs * 1_000));
    return this.#frame;
  }

  #digits(at: number, count: number, value: number): void {
    let rest = value;
    for (let i = at + count - 1; i >= at; i--) {
      this.#frame[i] = zero ^ (rest % 10);
      rest = Math.floor(rest / 10);
    }
  }
}

/** Reads `count` digits, unmasked, as they stand in an answer. */
export const readDigits = (bytes: Buffer, at: number, count: number): number => {
  let value = 0;
  for (let i = at; i < at + count; i++) value = value * 10 + ((bytes[i] as number) - 0x30);
  return value;
};
