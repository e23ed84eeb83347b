import { CaasError, retrying } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { assertKeySize } from './limits.ts';
import type { KeyVault } from './port.ts';
import { type VaultAnswer, VaultHttp } from './transit/http.ts';
import { type TokenOptions, VaultToken } from './transit/token.ts';

export interface TransitOptions extends Omit<TokenOptions, 'onFault'> {
  /** `https://host:port` of Vault, OpenBao, or what speaks their API. */
  url: string;
  /** Where the transit engine is mounted. Default `transit`. */
  mount?: string;
  /** Name of the root key; made when there is none and the token may. Default `caas`. */
  key?: string;
  namespace?: string | undefined;
  /** PEM of the authority of the vault's certificate; the machine's without. */
  ca?: Uint8Array | undefined;
  /** Longest wait for an answer, in milliseconds; default 2,000. */
  timeoutMs?: number;
  /** Told of renewals of the token that fail. */
  onFault?(error: unknown): void;
}

/** Attempts of what may be repeated, and the bounds of the waits between them, in milliseconds. */
const retry = { maxAttempts: 3, baseMs: 50, capMs: 500 };

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

const textOf = (wrapped: Uint8Array): string =>
  Buffer.from(wrapped.buffer, wrapped.byteOffset, wrapped.byteLength).toString('utf8');

const notOpening = (): CaasError =>
  new CaasError('INTERNAL', 'a wrapped key does not open in this vault', { retryable: false });

/**
 * Root keys in the transit engine of a vault. The root key is a derived one: the key that encrypts is derived from it and the
 * context, so that what is wrapped opens for its context only, and the engine itself can bring it under a newer version, unseen.
 * A wrapped key is the engine's own text, `vault:v<version>:…`.
 *
 * Rejects UNAVAILABLE when the vault does not answer; ConfigError when it does not know the token, or its key is not derived.
 */
export const openTransitKeyVault = async (options: TransitOptions): Promise<KeyVault> => {
  const { url, ca, namespace, timeoutMs = 2_000, onFault = () => undefined } = options;
  const http = new VaultHttp({ url, ca, namespace, timeoutMs });
  let token: VaultToken | undefined;
  try {
    token = await VaultToken.open(http, { token: options.token, tokenFile: options.tokenFile, onFault });
    const vault = new TransitKeyVault(http, token, options);
    await vault.prepare();
    return vault;
  } catch (thrown) {
    token?.close();
    http.close();
    throw thrown;
  }
};

class TransitKeyVault implements KeyVault {
  readonly #http: VaultHttp;
  readonly #token: VaultToken;
  readonly #mount: string;
  readonly #key: string;

  constructor(http: VaultHttp, token: VaultToken, { mount = 'transit', key = 'caas' }: TransitOptions) {
    this.#http = http;
    this.#token = token;
    this.#mount = mount;
    this.#key = encodeURIComponent(key);
  }

  /** Sees to the key, and that it is one that holds contexts apart: an engine ignores the context for any other. */
  async prepare(): Promise<void> {
    // Where the token may not make keys, an operator has made it.
    await this.#call(`keys/${this.#key}`, { type: 'aes256-gcm96', derived: true });
    const probe = await this.wrap('one context', Buffer.from('probe')).catch((cause: unknown) => {
      if (cause instanceof CaasError && cause.retryable) throw cause;
      throw new ConfigError(`the vault does not wrap under ${this.#mount}/keys/${this.#key}: make it, derived`);
    });
    const opened = await this.unwrap('another context', probe).then(
      () => true,
      (error: unknown) => {
        if (error instanceof CaasError && error.reason === 'INTERNAL') return false;
        throw error;
      },
    );
    if (opened) throw new ConfigError(`the key ${this.#mount}/keys/${this.#key} is not derived: make another one`);
  }

  async wrap(context: string, key: Uint8Array): Promise<Uint8Array> {
    assertKeySize(key);
    const { ciphertext } = await this.#transform('encrypt', context, { plaintext: base64(key) });
    return Uint8Array.from(Buffer.from(String(ciphertext), 'utf8'));
  }

  async unwrap(context: string, wrapped: Uint8Array): Promise<Uint8Array> {
    this.versionOf(wrapped);
    const { plaintext } = await this.#transform('decrypt', context, { ciphertext: textOf(wrapped) });
    // Not Buffer.from alone: a pooled one is overwritten together with its neighbours.
    return Uint8Array.from(Buffer.from(String(plaintext), 'base64'));
  }

  async rewrap(context: string, wrapped: Uint8Array): Promise<Uint8Array> {
    this.versionOf(wrapped);
    const { ciphertext } = await this.#transform('rewrap', context, { ciphertext: textOf(wrapped) });
    return Uint8Array.from(Buffer.from(String(ciphertext), 'utf8'));
  }

  async rotate(): Promise<number> {
    this.#assertDone(await this.#call(`keys/${this.#key}/rotate`, {}));
    const { body } = await retrying('vault', retry, () => this.#read(`keys/${this.#key}`));
    return Number((body['data'] as Record<string, unknown> | undefined)?.['latest_version'] ?? 0);
  }

  versionOf(wrapped: Uint8Array): number {
    const [, version] = /^vault:v(\d{1,9}):./.exec(textOf(wrapped)) ?? [];
    if (version === undefined) throw notOpening();
    return Number(version);
  }

  async close(): Promise<void> {
    this.#token.close();
    this.#http.close();
  }

  /** The data of an answer; repeated while the vault is away, for doing it twice is doing it once. */
  #transform(verb: string, context: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    return retrying('vault', retry, async () => {
      const answer = await this.#call(`${verb}/${this.#key}`, { ...body, context: base64(Buffer.from(context)) });
      // What it can't open, or has never heard of.
      if (answer.status === 400 || answer.status === 404) throw notOpening();
      this.#assertDone(answer);
      return (answer.body['data'] ?? {}) as Readonly<Record<string, unknown>>;
    });
  }

  async #read(path: string): Promise<VaultAnswer> {
    const answer = await this.#http.call('GET', `${this.#mount}/${path}`, this.#token.value);
    this.#assertDone(answer);
    return answer;
  }

  async #call(path: string, body: object): Promise<VaultAnswer> {
    const call = (): Promise<VaultAnswer> => this.#http.call('POST', `${this.#mount}/${path}`, this.#token.value, body);
    const answer = await call();
    return answer.status === 403 && (await this.#token.replaced()) ? call() : answer;
  }

  #assertDone({ status }: VaultAnswer): void {
    if (status >= 200 && status < 300) return;
    const why = status === 403 ? 'the vault refuses its token' : `the vault answers ${status}`;
    throw new CaasError('UNAVAILABLE', why, { details: { status: String(status) } });
  }
}
