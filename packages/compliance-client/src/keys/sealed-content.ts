import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { encodeMessage } from '@caas/kit/encode';
import { PlainContent, type SealedContent } from '@caas/proto/caas/events/v1/content';
import type { HeldKey } from './held-keys.ts';

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;
/** Tag and type of `PlainContent.text` in protobuf. */
const textTag = 0x0a;
/** Random bytes drawn at once: a draw costs more than what it draws. */
const poolBytes = nonceBytes * 512;

/** Where content stands: it opens there and nowhere else. */
export interface ContentPlace {
  tenantId: string;
  conversationId: string;
  messageId: string;
}

let pool = Buffer.alloc(0);
let used = 0;

/** 12 random bytes, each given once. */
const nextNonce = (): Buffer => {
  if (used === pool.length) {
    pool = randomBytes(poolBytes);
    used = 0;
  }
  const nonce = pool.subarray(used, used + nonceBytes);
  used += nonceBytes;
  return nonce;
};

/** Bound to the ciphertext. Lengths before the parts, so that no two places give the same bytes. */
const boundTo = ({ tenantId, conversationId, messageId }: ContentPlace): Buffer =>
  Buffer.from(`${tenantId.length}:${tenantId}|${conversationId.length}:${conversationId}|${messageId}`);

const isEmpty = (map: object): boolean => {
  for (const _ in map) return false;
  return true;
};

/**
 * What is sealed: an encoded PlainContent. Most content is a text and nothing else; written by hand, in memory that is pooled,
 * that costs a third of the general way, which a test holds it against.
 */
export const encodeContent = (content: PlainContent): Uint8Array => {
  const { text, attachments, mentions, metadata } = content;
  if (text === '' || attachments.length > 0 || mentions.length > 0 || !isEmpty(metadata))
    return encodeMessage(PlainContent, content);
  const size = Buffer.byteLength(text);
  const head = [textTag];
  for (let rest = size; ; rest >>>= 7) {
    head.push(rest < 0x80 ? rest : (rest & 0x7f) | 0x80);
    if (rest < 0x80) break;
  }
  const bytes = Buffer.allocUnsafe(head.length + size);
  bytes.set(head);
  bytes.write(text, head.length);
  return bytes;
};

/** Seals what a message says under its sender's data key. */
export const sealContent = (key: HeldKey, content: PlainContent, place: ContentPlace): SealedContent =>
  sealBytes(key, encodeContent(content), place);

/** The same of content that is encoded. */
export const sealBytes = (key: HeldKey, content: Uint8Array, place: ContentPlace): SealedContent => {
  const nonce = nextNonce();
  const cipher = createCipheriv(algorithm, key.secret, nonce);
  cipher.setAAD(boundTo(place));
  const body = cipher.update(content);
  cipher.final();
  return { keyId: key.keyId, nonce, ciphertext: Buffer.concat([body, cipher.getAuthTag()]) };
};

/** What was sealed; undefined when it was changed, or stands elsewhere than it was sealed for. */
export const openContent = (key: HeldKey, sealed: SealedContent, place: ContentPlace): PlainContent | undefined => {
  const { nonce, ciphertext } = sealed;
  if (nonce.length !== nonceBytes || ciphertext.length < tagBytes) return undefined;
  const bodyBytes = ciphertext.length - tagBytes;
  try {
    const decipher = createDecipheriv(algorithm, key.secret, nonce, { authTagLength: tagBytes });
    decipher.setAAD(boundTo(place));
    decipher.setAuthTag(ciphertext.subarray(bodyBytes));
    const body = decipher.update(ciphertext.subarray(0, bodyBytes));
    decipher.final();
    return PlainContent.decode(body);
  } catch {
    return undefined;
  }
};
