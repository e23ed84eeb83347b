import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Clock } from './clock.ts';
import { CaasError } from './errors.ts';
import { sha256 } from './ids.ts';
import type { RootKey } from './sealing.ts';

/** How often the signing keys are read anew, in milliseconds. */
export const keyReloadMs = 5_000;
/** Least time between reads for a key id nobody knows, in milliseconds. */
const unknownKeyReloadMs = 1_000;

export interface SigningKeyRecord {
  keyId: string;
  /** Public key as JSON Web Key (RFC 8037), JSON. */
  publicJwk: string;
  /** Private key, sealed by a root key that is not in this store. */
  sealedPrivateKey: Uint8Array;
  createdAtMs: number;
}

/** Keys of a service, not of a tenant. The newest is the current one. */
export interface SigningKeyStore {
  /** Stores a key; false, and nothing changed, when its id is taken. */
  add(key: SigningKeyRecord): Promise<boolean>;
  /** All keys, newest first, ties by key id descending, so that everybody agrees on the current one. */
  list(): Promise<SigningKeyRecord[]>;
  remove(keyId: string): Promise<void>;
}

interface KnownKey {
  keyId: string;
  publicKey: KeyObject;
  jwk: Record<string, unknown>;
  createdAtMs: number;
}

interface CurrentKey {
  keyId: string;
  privateKey: KeyObject;
}

const sealName = (keyId: string): string => `signing-key/${keyId}`;

const newKey = (rootKey: RootKey, createdAtMs: number): SigningKeyRecord => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' });
  // The thumbprint of RFC 7638: members in this order, nothing else.
  const keyId = sha256(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }));
  const jwk = { kty: 'OKP', crv: 'Ed25519', x, kid: keyId, use: 'sig', alg: 'EdDSA' };
  const sealedPrivateKey = rootKey.seal(sealName(keyId), privateKey.export({ format: 'der', type: 'pkcs8' }));
  return { keyId, publicJwk: JSON.stringify(jwk), sealedPrivateKey, createdAtMs };
};

const knownKey = ({ keyId, publicJwk, createdAtMs }: SigningKeyRecord): KnownKey => {
  const jwk = JSON.parse(publicJwk) as Record<string, unknown>;
  return { keyId, jwk, createdAtMs, publicKey: createPublicKey({ format: 'jwk', key: jwk }) };
};

/**
 * The Ed25519 keys a service signs with. The newest is current; the others stay for `keptMs` after it was made, until the
 * last thing they signed has expired, on instances too that learned late of the newer one. For ever: Infinity.
 */
export class SigningKeys {
  readonly #store: SigningKeyStore;
  readonly #rootKey: RootKey;
  readonly #clock: Clock;
  readonly #keptMs: number;
  #known: readonly KnownKey[] = [];
  #byId: ReadonlyMap<string, KnownKey> = new Map();
  #current: CurrentKey | undefined;
  #loadedAtMs = 0;
  #reloading: Promise<void> | undefined;

  constructor(ports: { store: SigningKeyStore; rootKey: RootKey; clock: Clock }, keptMs: number) {
    this.#store = ports.store;
    this.#rootKey = ports.rootKey;
    this.#clock = ports.clock;
    this.#keptMs = keptMs + 2 * keyReloadMs;
  }

  /** Reads the keys and makes the first one when there is none. */
  async load(): Promise<void> {
    await this.#read();
    if (!this.#current) await this.rotate();
  }

  get current(): CurrentKey {
    if (!this.#current) throw new CaasError('UNAVAILABLE', 'no signing key yet');
    return this.#current;
  }

  publicKey(keyId: string): KeyObject | undefined {
    return this.#byId.get(keyId)?.publicKey;
  }

  /** JSON Web Key Set (RFC 7517), the current key first. */
  jwks(): string {
    return JSON.stringify({ keys: this.#known.map((key) => key.jwk) });
  }

  /** Makes a new key current; returns its id. */
  async rotate(): Promise<string> {
    await this.#read();
    // Later than the newest even when another instance's clock runs ahead: otherwise the new key would not be current.
    const createdAtMs = Math.max(this.#clock.now(), (this.#known[0]?.createdAtMs ?? 0) + 1);
    const key = newKey(this.#rootKey, createdAtMs);
    await this.#store.add(key);
    await this.#read();
    return key.keyId;
  }

  /** Looks for a key another instance may have made; at most once per `unknownKeyReloadMs`, whatever strangers send. */
  async learn(keyId: string): Promise<void> {
    const nowMs = this.#clock.now();
    if (this.#byId.has(keyId) || (nowMs >= this.#loadedAtMs && nowMs - this.#loadedAtMs < unknownKeyReloadMs)) return;
    await this.reload();
  }

  /** Reads the keys anew and forgets those that no valid token can name any more. */
  reload(): Promise<void> {
    this.#reloading ??= this.#read()
      .then(() => this.#forget())
      .finally(() => {
        this.#reloading = undefined;
      });
    return this.#reloading;
  }

  async #read(): Promise<void> {
    const records = await this.#store.list();
    this.#loadedAtMs = this.#clock.now();
    this.#known = records.map((record) => this.#byId.get(record.keyId) ?? knownKey(record));
    this.#byId = new Map(this.#known.map((key) => [key.keyId, key]));
    const [newest] = records;
    if (!newest || newest.keyId === this.#current?.keyId) return;
    const der = Buffer.from(this.#rootKey.open(sealName(newest.keyId), newest.sealedPrivateKey));
    const privateKey = createPrivateKey({ format: 'der', type: 'pkcs8', key: der });
    this.#current = { keyId: newest.keyId, privateKey };
  }

  async #forget(): Promise<void> {
    const nowMs = this.#clock.now();
    // A key retired when the next newer one was made.
    const old = this.#known.filter((_, i) => i > 0 && (this.#known[i - 1]?.createdAtMs ?? 0) + this.#keptMs < nowMs);
    if (old.length === 0) return;
    for (const key of old) await this.#store.remove(key.keyId);
    await this.#read();
  }
}
