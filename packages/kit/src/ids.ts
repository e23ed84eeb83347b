import { createHash, hash, randomBytes } from 'node:crypto';

/** UUIDv7 (RFC 9562): time-ordered, unique without coordination. */
export const newId = (nowMs: number = Date.now()): string => {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};

/** A credential of `bytes` random bytes, base64url. */
export const newSecret = (bytes = 32): string => randomBytes(bytes).toString('base64url');

/**
 * 128-bit name derived from its parts, base64url, 22 characters. Parts are length-prefixed, so that no two lists of
 * parts give the same bytes.
 */
export const derivedId = (kind: string, ...parts: readonly string[]): string => {
  let text = `${kind.length}:${kind}`;
  for (const part of parts) text += `${part.length}:${part}`;
  return hash('sha256', text, 'base64url').slice(0, 22);
};

/** True for text that has the form of what `newId` and `derivedId` make. */
export const isId = (text: string): boolean => /^(?:[\w-]{22}|[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})$/.test(text);

/** SHA-256 of the UTF-8 text, base64url: for storing secrets that are themselves random. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url');
