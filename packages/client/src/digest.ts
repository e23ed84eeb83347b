import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';

/** Digest of a conversation without messages: eight zero bytes, as 16 hex digits. */
export const emptyDigest = '0000000000000000';

/**
 * Next link of the digest chain, `d(n) = first 8 bytes of SHA-256(d(n−1) ‖ message_id(n))`: d as its 8 bytes, the id as
 * its ASCII bytes. Digests are 16 lower-case hex digits.
 */
export const nextDigest = (digest: string, messageId: string): string => {
  const bytes = new Uint8Array(8 + messageId.length);
  bytes.set(hexToBytes(digest));
  for (let i = 0; i < messageId.length; i++) bytes[8 + i] = messageId.charCodeAt(i);
  return bytesToHex(sha256(bytes).subarray(0, 8));
};
