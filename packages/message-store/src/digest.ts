import { hash } from 'node:crypto';

/** Digest of a conversation without messages: eight zero bytes, as 16 hex digits. */
export const emptyDigest = '0000000000000000';

/**
 * Next link of the digest chain, `d(n) = first 8 bytes of SHA-256(d(n−1) ‖ message_id(n))`, as 16 lower-case hex
 * digits. d is hashed as its 16 hex digits and the id as its ASCII bytes, so that any language can check it with text.
 */
export const nextDigest = (digest: string, messageId: string): string => hash('sha256', digest + messageId, 'hex').slice(0, 16);
