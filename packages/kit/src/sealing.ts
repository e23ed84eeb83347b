import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, scrypt } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigError } from './config.ts';
import { CaasError } from './errors.ts';
import { createWhole } from './files.ts';

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/**
 * What seals keys at rest. Whoever has the sealed value and not the root key has nothing; the name is bound to the value,
 * so that one sealed key can't be passed off as another.
 */
export interface RootKey {
  seal(name: string, plain: Uint8Array): Uint8Array;
  /** Throws INTERNAL when the value was sealed by another root key, for another name, or changed. */
  open(name: string, sealed: Uint8Array): Uint8Array;
  /** A key of 32 bytes for one purpose, always the same one (HKDF-SHA256, RFC 5869). */
  derive(purpose: string): Uint8Array;
}

const sealedByAnother = 'a sealed key does not open with this root key';

/** Whether an error is that of `open`: another root key, or a changed value. */
export const isSealedByAnother = (error: unknown): boolean =>
  error instanceof CaasError && error.message === sealedByAnother;

/** A root key held in memory: AES-256-GCM, value = nonce ‖ tag ‖ ciphertext. */
export const rootKeyFrom = (secret: Uint8Array): RootKey => {
  const derive = (purpose: string): Uint8Array => new Uint8Array(hkdfSync('sha256', secret, '', purpose, keyBytes));
  const sealingKey = derive('caas sealing');
  return {
    derive,
    seal: (name, plain) => {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce).setAAD(Buffer.from(name));
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Uint8Array.from(Buffer.concat([nonce, cipher.getAuthTag(), body]));
    },
    open: (name, sealed) => {
      try {
        const nonce = sealed.subarray(0, nonceBytes);
        const decipher = createDecipheriv('aes-256-gcm', sealingKey, nonce, { authTagLength: tagBytes })
          .setAAD(Buffer.from(name))
          .setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
        // GCM gives all by `update`, in bytes of their own, which the caller may overwrite; `final` checks.
        const plain = decipher.update(sealed.subarray(nonceBytes + tagBytes));
        decipher.final();
        return plain;
      } catch (cause) {
        throw new CaasError('INTERNAL', sealedByAnother, { cause });
      }
    },
  };
};

const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => undefined)) !== undefined;

/** Throws a ConfigError when others than its owner may read or write the file. */
export const assertOwnerOnly = async (file: string): Promise<void> => {
  if (((await stat(file)).mode & 0o077) !== 0)
    throw new ConfigError(`${file} is open to other users: chmod 600 ${file}`);
};

/**
 * The root key of an installation without a key service: a file of 32 random bytes, base64url, made at first use, readable
 * by its owner alone. Two processes starting at once agree on one file. Throws when the file is open to others or wrong:
 * going on with a new key would make every stored key useless.
 */
export const rootKeyFromFile = async (file: string): Promise<RootKey> => {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  if (!(await exists(file))) await createWhole(file, randomBytes(keyBytes).toString('base64url'));
  await assertOwnerOnly(file);
  const secret = Buffer.from((await readFile(file, 'utf8')).trim(), 'base64url');
  if (secret.length !== keyBytes) throw new ConfigError(`${file} does not hold a root key of ${keyBytes} bytes`);
  return rootKeyFrom(secret);
};

/** Cost of scrypt (RFC 7914): 64 MiB, some 0.2 s in a thread of the pool. */
const scryptCost = { N: 65_536, r: 8, p: 1, maxmem: 128 * 1024 * 1024 };

/** A root key from what an operator knows; the salt is kept beside what it seals. */
export const rootKeyFromPassphrase = async (passphrase: string, salt: Uint8Array): Promise<RootKey> => {
  const secret = await new Promise<Buffer>((resolve, reject) =>
    scrypt(passphrase.normalize('NFKC'), salt, keyBytes, scryptCost, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  );
  const rootKey = rootKeyFrom(secret);
  secret.fill(0);
  return rootKey;
};
