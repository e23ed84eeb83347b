import { randomBytes } from 'node:crypto';

/** What travels in a node's channel: an envelope, or the word of a listener that it is the node's from now on. */
export type Parcel =
  | { kind: 'envelope'; sender: string; number: number; envelope: Uint8Array }
  | { kind: 'claim'; sender: string; number: number };

const kinds = ['envelope', 'claim'] as const;
/** kind (1 byte), sender (6 bytes), number (6 bytes) */
const senderBytes = 6;
const headerBytes = 13;

export const newSender = (): string => randomBytes(senderBytes).toString('hex');

/** A parcel of a sender; each has a greater number than its last. */
export const encodeParcel = (kind: Parcel['kind'], sender: string, number: number, envelope?: Uint8Array): Buffer => {
  const parcel = Buffer.allocUnsafe(headerBytes + (envelope?.byteLength ?? 0));
  parcel[0] = kinds.indexOf(kind);
  parcel.write(sender, 1, 'hex');
  parcel.writeUIntBE(number, 1 + senderBytes, 6);
  if (envelope) parcel.set(envelope, headerBytes);
  return parcel;
};

/** The parcel of these bytes; undefined when they are none. */
export const decodeParcel = (bytes: Buffer): Parcel | undefined => {
  const kind = kinds[bytes[0] ?? kinds.length];
  if (kind === undefined || bytes.length < headerBytes) return undefined;
  const sender = bytes.toString('hex', 1, 1 + senderBytes);
  const number = bytes.readUIntBE(1 + senderBytes, 6);
  return kind === 'claim' ? { kind, sender, number } : { kind, sender, number, envelope: bytes.subarray(headerBytes) };
};
