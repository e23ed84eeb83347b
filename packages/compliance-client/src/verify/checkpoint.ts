import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { sha256 } from '@caas/kit';
import type { Checkpoint } from '@caas/proto/caas/compliance/v1/audit_service';

/** What a checkpoint says of a tree. */
export type Claim = Pick<Checkpoint, 'tenantId' | 'treeSize' | 'signedAtMs'> & { rootHash: Uint8Array };

/** The text that is signed, UTF-8; the contract says its form. */
export const checkpointText = ({ tenantId, treeSize, rootHash, signedAtMs }: Claim): string =>
  `caas-audit-checkpoint/v1\n${tenantId}\n${treeSize}\n${Buffer.from(rootHash).toString('base64')}\n${signedAtMs}\n`;

/** Ed25519 signature (RFC 8032) of a checkpoint, 64 bytes. */
export const signCheckpoint = (claim: Claim, privateKey: KeyObject): Uint8Array =>
  Uint8Array.from(sign(null, Buffer.from(checkpointText(claim)), privateKey));

const coordinateOf = (publicKey: Uint8Array): string => Buffer.from(publicKey).toString('base64url');

/** A public key of 32 bytes as node:crypto has it; undefined when it is none. */
const keyObjectOf = (publicKey: Uint8Array): KeyObject | undefined => {
  if (publicKey.length !== 32) return undefined;
  return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: coordinateOf(publicKey) } });
};

/** Id of a public key: its thumbprint (RFC 7638), base64url. */
export const keyIdOf = (publicKey: Uint8Array): string =>
  sha256(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x: coordinateOf(publicKey) }));

/** The 32 bytes of a public key. */
export const publicKeyBytes = (key: KeyObject): Uint8Array =>
  Uint8Array.from(Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url'));

/** Whether the signature over a text, in UTF-8, is that of the key. */
export const isTextSignedBy = (text: string, signature: Uint8Array, publicKey: Uint8Array): boolean => {
  const key = keyObjectOf(publicKey);
  return key !== undefined && verify(null, Buffer.from(text), key, signature);
};

/** Whether the signature is that of the key. */
export const isSignedBy = (claim: Claim, signature: Uint8Array, publicKey: Uint8Array): boolean =>
  isTextSignedBy(checkpointText(claim), signature, publicKey);
