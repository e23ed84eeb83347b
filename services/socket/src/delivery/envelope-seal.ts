import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';

const algorithm = 'aes-256-gcm';
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/**
 * What nodes tell each other, sealed a turn at a time under a key that is derived from the one all nodes share (HKDF-SHA256):
 * the inboxes between them carry what messages say, and read none of it.
 */
export class EnvelopeSeal {
  readonly #key: KeyObject;

  constructor(sharedKey: string) {
    this.#key = createSecretKey(Buffer.from(hkdfSync('sha256', sharedKey, '', 'caas node envelopes', keyBytes)));
  }

  /** nonce ‖ ciphertext ‖ tag, for one node alone. */
  seal(bytes: Uint8Array, nodeId: string): Buffer {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv(algorithm, this.#key, nonce).setAAD(Buffer.from(nodeId));
    const body = cipher.update(bytes);
    cipher.final();
    return Buffer.concat([nonce, body, cipher.getAuthTag()]);
  }

  /** Throws when it was sealed by another key, for another node, or changed. */
  open(sealed: Uint8Array, nodeId: string): Buffer {
    const end = sealed.length - tagBytes;
    const options = { authTagLength: tagBytes };
    const decipher = createDecipheriv(algorithm, this.#key, sealed.subarray(0, nonceBytes), options)
      .setAAD(Buffer.from(nodeId))
      .setAuthTag(sealed.subarray(end));
    const body = decipher.update(sealed.subarray(nonceBytes, end));
    decipher.final();
    return body;
  }
}
