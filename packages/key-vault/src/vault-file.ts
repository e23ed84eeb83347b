import { randomBytes } from 'node:crypto';
import { readFile, rm, stat } from 'node:fs/promises';
import { ConfigError } from '@caas/kit/config';
import {
  isSealedByAnother,
  type RootKey,
  rootKeyFrom,
  rootKeyFromFile,
  rootKeyFromPassphrase,
} from '@caas/kit/sealing';

/** The file as it lies on disk: JSON, values in base64url. */
interface VaultFile {
  format: 1;
  /** Salt of the passphrase; absent: a key file beside seals it. */
  salt?: string;
  /** Root keys, each sealed for its version, the newest last. */
  keys: { version: number; sealed: string }[];
}

/** What the vault works with: the root keys opened, and what seals them. */
export interface OpenedVault {
  /** What opened it: a passphrase is made a key of but once, which takes its time. */
  readonly sealing: { salt: string | undefined; key: RootKey };
  readonly keys: ReadonlyMap<number, RootKey>;
  readonly newest: number;
  /** True when the file is sealed by its key file although there is a passphrase by now. */
  readonly outdated: boolean;
  /** The file with one more root key. */
  withNewKey(): string;
  /** The file with the same root keys, sealed by the passphrase. */
  resealed(): Promise<string>;
}

const keyBytes = 32;
const saltBytes = 16;
const sealName = (version: number): string => `vault root key/${version}`;
const encoded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const decoded = (text: string): Buffer => Buffer.from(text, 'base64url');
const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => undefined)) !== undefined;

/** Where the key lies that seals a vault without a passphrase. */
const keyFileOf = (file: string): string => `${file}.key`;

const sealedKeys = (sealing: RootKey, secrets: ReadonlyMap<number, Uint8Array>): VaultFile['keys'] =>
  [...secrets].map(([version, secret]) => ({ version, sealed: encoded(sealing.seal(sealName(version), secret)) }));

const textOf = (content: VaultFile): string => `${JSON.stringify(content, undefined, 2)}\n`;

const parse = (text: string, file: string): VaultFile => {
  try {
    const content = JSON.parse(text) as VaultFile;
    if (content.format === 1 && content.keys.length > 0) return content;
  } catch {
    // told below
  }
  throw new ConfigError(`${file} is not a vault of this version: restore it`);
};

const sealingKeyOf = async ({ salt }: VaultFile, file: string, passphrase: string | undefined): Promise<RootKey> => {
  if (salt === undefined) {
    if (!(await exists(keyFileOf(file))))
      throw new ConfigError(`${keyFileOf(file)}, which opens ${file}, is not there: restore it`);
    return rootKeyFromFile(keyFileOf(file));
  }
  if (passphrase === undefined)
    throw new ConfigError(`${file} is sealed by a passphrase: set CAAS_VAULT_PASSPHRASE to it`);
  return rootKeyFromPassphrase(passphrase, decoded(salt));
};

/** A new vault with one root key, as a file's text. */
export const newVaultText = async (file: string, passphrase: string | undefined): Promise<string> => {
  const secrets = new Map([[1, randomBytes(keyBytes)]]);
  if (passphrase === undefined) {
    return textOf({ format: 1, keys: sealedKeys(await rootKeyFromFile(keyFileOf(file)), secrets) });
  }
  const salt = randomBytes(saltBytes);
  const sealing = await rootKeyFromPassphrase(passphrase, salt);
  return textOf({ format: 1, salt: encoded(salt), keys: sealedKeys(sealing, secrets) });
};

/** Reads and opens the file; throws a ConfigError that says why it can't be. */
export const readVault = async (
  file: string,
  passphrase: string | undefined,
  before?: OpenedVault,
): Promise<OpenedVault> => {
  const content = parse(await readFile(file, 'utf8'), file);
  const known = content.salt !== undefined && before?.sealing.salt === content.salt ? before.sealing.key : undefined;
  const sealing = known ?? (await sealingKeyOf(content, file, passphrase));
  const secrets = new Map<number, Uint8Array>();
  try {
    for (const { version, sealed } of content.keys)
      secrets.set(version, sealing.open(sealName(version), decoded(sealed)));
  } catch (error) {
    if (!isSealedByAnother(error)) throw error;
    const by = content.salt === undefined ? keyFileOf(file) : 'this passphrase';
    throw new ConfigError(`${file} does not open with ${by}: it was sealed by another, or changed`);
  }
  const newest = Math.max(...secrets.keys());
  return {
    sealing: { salt: content.salt, key: sealing },
    keys: new Map([...secrets].map(([version, secret]) => [version, rootKeyFrom(secret)])),
    newest,
    outdated: content.salt === undefined && passphrase !== undefined,
    withNewKey: () => {
      const added = sealedKeys(sealing, new Map([[newest + 1, randomBytes(keyBytes)]]));
      return textOf({ ...content, keys: [...content.keys, ...added] });
    },
    resealed: async () => {
      const salt = randomBytes(saltBytes);
      const under = await rootKeyFromPassphrase(passphrase as string, salt);
      return textOf({ format: 1, salt: encoded(salt), keys: sealedKeys(under, secrets) });
    },
  };
};

/** Removes the key that sealed the vault before a passphrase did. */
export const forgetKeyFile = (file: string): Promise<void> => rm(keyFileOf(file), { force: true });
