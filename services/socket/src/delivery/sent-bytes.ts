/**
 * A MessageSent in two encodings that differ in its content alone: sealed as the log holds it, in the clear as other nodes get it.
 * All else is encoded once, without content, and the content appended: fields may come in any order, and this saves a second
 * encoding, which costs as much as sealing does. A test holds both against the generated code.
 */
import type { SealedContent } from '@caas/proto/caas/events/v1/content';

/** `MessageSent.content`, of `MessageContent` `plain` and `sealed`, and the fields of `SealedContent`; all of length-prefixed type. */
const tags = { content: 0x32, plain: 0x0a, sealed: 0x12, keyId: 0x0a, nonce: 0x12, ciphertext: 0x1a };

const varintSize = (value: number): number => (value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4);
/** Size of a field with its tag and length. */
const sizeOf = (bytes: number): number => 1 + varintSize(bytes) + bytes;

const writeHead = (into: Buffer, at: number, tag: number, bytes: number): number => {
  into[at++] = tag;
  let rest = bytes;
  while (rest >= 0x80) {
    into[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  into[at++] = rest;
  return at;
};

const writeBytes = (into: Buffer, at: number, tag: number, bytes: Uint8Array): number => {
  const start = writeHead(into, at, tag, bytes.length);
  into.set(bytes, start);
  return start + bytes.length;
};

/** `base` with content in the clear, given as an encoded PlainContent. */
export const withPlainContent = (base: Uint8Array, plain: Uint8Array): Buffer => {
  const content = sizeOf(plain.length);
  const into = Buffer.allocUnsafe(base.length + sizeOf(content));
  into.set(base);
  writeBytes(into, writeHead(into, base.length, tags.content, content), tags.plain, plain);
  return into;
};

/** `base` with sealed content. */
export const withSealedContent = (base: Uint8Array, { keyId, nonce, ciphertext }: SealedContent): Buffer => {
  const keyIdBytes = Buffer.byteLength(keyId);
  const sealed = sizeOf(keyIdBytes) + sizeOf(nonce.length) + sizeOf(ciphertext.length);
  const content = sizeOf(sealed);
  const into = Buffer.allocUnsafe(base.length + sizeOf(content));
  into.set(base);
  let at = writeHead(into, base.length, tags.content, content);
  at = writeHead(into, at, tags.sealed, sealed);
  at = writeHead(into, at, tags.keyId, keyIdBytes);
  at += into.write(keyId, at);
  at = writeBytes(into, at, tags.nonce, nonce);
  writeBytes(into, at, tags.ciphertext, ciphertext);
  return into;
};
