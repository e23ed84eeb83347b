/**
 * How bytes lie sealed: a head (magic, id of the data key, salt), then chunks of AES-256-GCM, 64 KiB each. Each object has a key
 * of its own, derived from the data key with a random salt and the object's place (HKDF, RFC 5869), so that counting nonces
 * never meet; a nonce holds the chunk's number and whether it is the last (STREAM, Hoang et al. 2015): chunks can't be moved,
 * dropped or cut off, and any of them opens without those before it.
 */
import { createCipheriv, createDecipheriv, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { CaasError } from '@caas/kit';

const magic = Buffer.from('CMD1');
const keyIdBytes = 44;
const saltBytes = 32;
const tagBytes = 16;
export const chunkBytes = 64 * 1024;
const sealedChunkBytes = chunkBytes + tagBytes;
export const headBytes = magic.length + keyIdBytes + saltBytes;

export interface Head {
  keyId: string;
  salt: Buffer;
}

/** A data key as sealing needs it. */
export interface SealingKey {
  keyId: string;
  secret: KeyObject;
}

const chunksIn = (plainBytes: number): number => Math.max(1, Math.ceil(plainBytes / chunkBytes));

/** Size of what `plainBytes` are when sealed. */
export const sealedBytes = (plainBytes: number): number => headBytes + plainBytes + chunksIn(plainBytes) * tagBytes;

/** Size of what is sealed in `bytes`; negative for what is too short to be sealed. */
export const plainBytesIn = (bytes: number): number => {
  const body = bytes - headBytes;
  return body - Math.max(1, Math.ceil(body / sealedChunkBytes)) * tagBytes;
};

const damaged = (): CaasError =>
  new CaasError(
    'INTERNAL',
    'sealed bytes can’t be opened: they were changed, or lie elsewhere than they were sealed for',
  );

const headOf = ({ keyId, salt }: Head): Buffer => {
  const id = Buffer.alloc(keyIdBytes);
  if (id.write(keyId) !== keyId.length || keyId.length >= keyIdBytes)
    throw new TypeError('the id of the key is too long');
  return Buffer.concat([magic, id, salt]);
};

export const readHead = (bytes: Buffer): Head => {
  if (bytes.length !== headBytes || !bytes.subarray(0, magic.length).equals(magic)) throw damaged();
  const id = bytes.subarray(magic.length, magic.length + keyIdBytes);
  return { keyId: id.subarray(0, id.indexOf(0)).toString(), salt: bytes.subarray(magic.length + keyIdBytes) };
};

const ownKey = ({ secret }: SealingKey, salt: Buffer, place: string): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, salt, `caas media ${place}`, 32));

const nonceOf = (chunk: number, isLast: boolean): Buffer => {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(chunk, 7);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
};

const sealChunk = (key: Buffer, chunk: number, isLast: boolean, plain: Uint8Array): Buffer => {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(chunk, isLast));
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
};

const openChunk = (key: Buffer, chunk: number, isLast: boolean, sealed: Buffer): Buffer => {
  const end = sealed.length - tagBytes;
  if (end < 0) throw damaged();
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(chunk, isLast), { authTagLength: tagBytes });
  decipher.setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]);
  } catch (cause) {
    throw Object.assign(damaged(), { cause });
  }
};

/** The source again in pieces of `size` bytes; the last one, which there always is, is at most as long. */
async function* inPieces(
  source: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ piece: Buffer; isLast: boolean }> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const bytes of source) {
    held.push(bytes);
    heldBytes += bytes.length;
    if (heldBytes <= size) continue;
    let all = Buffer.concat(held);
    for (; all.length > size; all = all.subarray(size)) yield { piece: all.subarray(0, size), isLast: false };
    held = [all];
    heldBytes = all.length;
  }
  yield { piece: Buffer.concat(held), isLast: true };
}

/** Seals a source for the place it will lie at. */
export async function* sealing(
  key: SealingKey,
  place: string,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const salt = randomBytes(saltBytes);
  const own = ownKey(key, salt, place);
  try {
    yield headOf({ keyId: key.keyId, salt });
    let chunk = 0;
    for await (const { piece, isLast } of inPieces(source, chunkBytes)) yield sealChunk(own, chunk++, isLast, piece);
  } finally {
    own.fill(0);
  }
}

/** Where in a sealed object the chunks begin and end that hold plain bytes `from` up to `to`. */
export const sealedRange = (plainBytes: number, from: number, to: number): { from: number; to: number } => ({
  from: headBytes + Math.floor(from / chunkBytes) * sealedChunkBytes,
  to: Math.min(headBytes + chunksIn(to) * sealedChunkBytes, sealedBytes(plainBytes)),
});

/** Opens the bytes `from` up to `to` of an object of `plainBytes`, from the chunks of `sealedRange`. */
export async function* opening(
  key: SealingKey,
  place: string,
  { salt }: Head,
  plain: { bytes: number; from: number; to: number },
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const own = ownKey(key, salt, place);
  const lastChunk = chunksIn(plain.bytes) - 1;
  let chunk = Math.floor(plain.from / chunkBytes);
  let at = chunk * chunkBytes;
  try {
    for await (const { piece } of inPieces(source, sealedChunkBytes)) {
      const bytes = openChunk(own, chunk, chunk === lastChunk, piece);
      const [begin, end] = [Math.max(0, plain.from - at), Math.min(bytes.length, plain.to - at)];
      if (end > begin) yield bytes.subarray(begin, end);
      chunk += 1;
      at += bytes.length;
    }
    if (at < plain.to) throw damaged();
  } finally {
    own.fill(0);
  }
}
