/** WebSocket framing (RFC 6455 §5.2) of frames from the server: unmasked, never fragmented, never compressed. */

export type Subprotocol = 'caas.v1.json' | 'caas.v1.proto';
export const subprotocols: readonly Subprotocol[] = ['caas.v1.json', 'caas.v1.proto'];

const finText = 0x81;
const finBinary = 0x82;

export const pingFrame: Buffer = Buffer.from([0x89, 0x00]);

const headerBytes = (length: number): number => (length < 126 ? 2 : length < 65_536 ? 4 : 10);

const writeHeader = (into: Buffer, at: number, opcode: number, length: number): number => {
  into[at] = opcode;
  if (length < 126) {
    into[at + 1] = length;
    return at + 2;
  }
  if (length < 65_536) {
    into[at + 1] = 126;
    into.writeUInt16BE(length, at + 2);
    return at + 4;
  }
  into[at + 1] = 127;
  into.writeUInt32BE(0, at + 2);
  into.writeUInt32BE(length, at + 6);
  return at + 10;
};

/** Texts as frames one after another in one buffer: a turn's worth of a conversation is one write a member. */
export const textFrames = (texts: readonly string[]): Buffer => {
  let total = 0;
  const lengths = new Array<number>(texts.length);
  for (let i = 0; i < texts.length; i++) {
    const length = Buffer.byteLength(texts[i] as string);
    lengths[i] = length;
    total += headerBytes(length) + length;
  }
  const out = Buffer.allocUnsafe(total);
  let at = 0;
  for (let i = 0; i < texts.length; i++) {
    at = writeHeader(out, at, finText, lengths[i] as number);
    at += out.write(texts[i] as string, at);
  }
  return out;
};

/** Binary payloads as frames one after another in one buffer. */
export const binaryFrames = (payloads: readonly Uint8Array[]): Buffer => {
  let total = 0;
  for (const payload of payloads) total += headerBytes(payload.length) + payload.length;
  const out = Buffer.allocUnsafe(total);
  let at = 0;
  for (const payload of payloads) {
    at = writeHeader(out, at, finBinary, payload.length);
    out.set(payload, at);
    at += payload.length;
  }
  return out;
};
