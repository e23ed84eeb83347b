import { createHash } from 'node:crypto';

/** Length of every hash, in bytes. */
export const hashBytes = 32;

const leafPrefix = Uint8Array.of(0);
const nodePrefix = Uint8Array.of(1);

/** Hash of a leaf: SHA-256(0x00 ‖ leaf) (RFC 6962, 2.1). */
export const leafHash = (leaf: Uint8Array): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(leafPrefix).update(leaf).digest());

/** Hash of a node: SHA-256(0x01 ‖ left ‖ right) (RFC 6962, 2.1). */
export const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(nodePrefix).update(left).update(right).digest());

/** Root of the tree without leaves: SHA-256 of nothing. */
export const emptyRoot = (): Uint8Array => Uint8Array.from(createHash('sha256').digest());

/** Whether two hashes are the same. Nothing here is secret, so not in constant time. */
export const sameHash = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
