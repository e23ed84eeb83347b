import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { encodeMessage } from '@caas/kit/encode';
import { PlainContent, type SealedContent } from '@caas/proto/caas/events/v1/content';
import type { HeldKey } from './held-keys.ts';

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;
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

/** Seals what a message says under its sender's data key. */
export const sealContent = (key: HeldKey, content: PlainContent, place: ContentPlace): SealedContent => {
  const nonce = nextNonce();
  const cipher = createCipheriv(algorithm, key.secret, nonce);
  cipher.setAAD(boundTo(place));
  const body = cipher.update(encodeMessage(PlainContent, content));
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
