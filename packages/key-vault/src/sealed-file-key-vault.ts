import { mkdir, open, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CaasError } from '@caas/kit';
import { createWhole, replaceWhole } from '@caas/kit/files';
import { assertOwnerOnly, type RootKey } from '@caas/kit/sealing';
import { assertKeySize } from './limits.ts';
import type { KeyVault } from './port.ts';
import { forgetKeyFile, newVaultText, type OpenedVault, readVault } from './vault-file.ts';

export interface SealedFileOptions {
  /** Made at first use, with its folder; mode 0600 is required. */
  file: string;
  /** Seals the file; absent: a key file beside it does, which is no more than the mode of that file protects. */
  passphrase?: string | undefined;
}

/** A lock older than this was left by a process that was killed, in milliseconds; a change takes some of them. */
const staleLockMs = 10_000;
const versionBytes = 4;

const notOpening = (cause?: unknown): CaasError =>
  new CaasError('INTERNAL', 'a wrapped key does not open in this vault', { retryable: false, cause });

const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => undefined)) !== undefined;

/** Runs `work` while no other process changes the file. UNAVAILABLE while one does. */
const locked = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
  const lock = `${file}.lock`;
  const since = await stat(lock).catch(() => undefined);
  if (since && Date.now() - since.mtimeMs > staleLockMs) await unlink(lock).catch(() => undefined);
  const held = await open(lock, 'wx', 0o600).catch((cause: unknown) => {
    throw new CaasError('UNAVAILABLE', 'another process changes the vault', { cause });
  });
  try {
    return await work();
  } finally {
    await held.close();
    await unlink(lock).catch(() => undefined);
  }
};

/**
 * Root keys in one file, sealed (AES-256-GCM) by a passphrase (scrypt) or by a key file beside it. It is only ever replaced as
 * a whole. Several processes may read one file; a wrapped key = version ‖ nonce ‖ tag ‖ ciphertext. Given a passphrase for a
 * file that its key file seals, it is sealed anew by the passphrase and the key file goes; there is no way back.
 */
export const openSealedFileKeyVault = async ({ file, passphrase }: SealedFileOptions): Promise<KeyVault> => {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  if (!(await exists(file))) await createWhole(file, await newVaultText(file, passphrase));
  await assertOwnerOnly(file);
  let vault = await readVault(file, passphrase);
  if (vault.outdated) {
    vault = await locked(file, async () => {
      await replaceWhole(file, await vault.resealed());
      return readVault(file, passphrase);
    });
  }
  if (passphrase !== undefined) await forgetKeyFile(file);
  return new SealedFileKeyVault(file, passphrase, vault);
};

class SealedFileKeyVault implements KeyVault {
  readonly #file: string;
  readonly #passphrase: string | undefined;
  #vault: OpenedVault;

  constructor(file: string, passphrase: string | undefined, vault: OpenedVault) {
    this.#file = file;
    this.#passphrase = passphrase;
    this.#vault = vault;
  }

  async wrap(context: string, key: Uint8Array): Promise<Uint8Array> {
    assertKeySize(key);
    const { keys, newest } = this.#vault;
    const version = Buffer.alloc(versionBytes);
    version.writeUInt32BE(newest);
    return Uint8Array.from(Buffer.concat([version, (keys.get(newest) as RootKey).seal(context, key)]));
  }

  async unwrap(context: string, wrapped: Uint8Array): Promise<Uint8Array> {
    const version = this.versionOf(wrapped);
    // Another process may have rotated.
    if (!this.#vault.keys.has(version)) await this.#readAnew();
    const rootKey = this.#vault.keys.get(version);
    if (!rootKey) throw notOpening();
    try {
      return rootKey.open(context, wrapped.subarray(versionBytes));
    } catch (cause) {
      throw notOpening(cause);
    }
  }

  async rewrap(context: string, wrapped: Uint8Array): Promise<Uint8Array> {
    const key = await this.unwrap(context, wrapped);
    try {
      return await this.wrap(context, key);
    } finally {
      key.fill(0);
    }
  }

  rotate(): Promise<number> {
    return locked(this.#file, async () => {
      await this.#readAnew();
      await replaceWhole(this.#file, this.#vault.withNewKey());
      await this.#readAnew();
      return this.#vault.newest;
    });
  }

  versionOf(wrapped: Uint8Array): number {
    if (wrapped.length <= versionBytes) throw notOpening();
    return Buffer.from(wrapped.buffer, wrapped.byteOffset, versionBytes).readUInt32BE();
  }

  async close(): Promise<void> {
    // Nothing is held open.
  }

  async #readAnew(): Promise<void> {
    this.#vault = await readVault(this.#file, this.#passphrase, this.#vault);
  }
}
