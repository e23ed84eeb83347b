import { hash } from 'node:crypto';

/** Digest of a conversation without messages: eight zero bytes, as 16 hex digits. */
export const emptyDigest = '0000000000000000';

const maxMessageIdBytes = 128;
const scratch = Buffer.alloc(8 + maxMessageIdBytes);

/**
 * Next link of the digest chain, `d(n) = first 8 bytes of SHA-256(d(n−1) ‖ message_id(n))`: d as its 8 bytes, the id
 * as its ASCII bytes. Digests are written as 16 lower-case hex digits.
 */
export const nextDigest = (digest: string, messageId: string): string => {
  scratch.write(digest, 0, 'hex');
  const length = scratch.write(messageId, 8, 'latin1');
  return hash('sha256', scratch.subarray(0, 8 + length), 'hex').slice(0, 16);
};
