import { readFile } from 'node:fs/promises';
import { CaasError } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import type { VaultAnswer, VaultHttp } from './http.ts';

export interface TokenOptions {
  /** The token itself; or `tokenFile`, read anew at every renewal, for whoever replaces it (an agent beside the service). */
  token?: string | undefined;
  tokenFile?: string | undefined;
  onFault(error: unknown): void;
}

/** Wait before a renewal that failed is tried again, in milliseconds; sooner where the token ends sooner. */
const againMs = 10_000;
/** Least wait between renewals, in milliseconds. */
const leastWaitMs = 250;
/** Longest wait of a timer: renewals of tokens that last for months come sooner, in milliseconds. */
const longestWaitMs = 86_400_000;

interface Lease {
  /** Seconds it is still good for; 0: without end. */
  seconds: number;
  renewable: boolean;
}

const leaseOf = (of: unknown, name: 'ttl' | 'lease_duration'): Lease => {
  const { renewable, [name]: seconds } = (of ?? {}) as Record<string, unknown>;
  return { seconds: Number(seconds ?? 0), renewable: renewable === true };
};

/** The token a vault knows us by, renewed when half of its time is over. */
export class VaultToken {
  readonly #http: VaultHttp;
  readonly #options: TokenOptions;
  #token: string;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(http: VaultHttp, options: TokenOptions, token: string) {
    this.#http = http;
    this.#options = options;
    this.#token = token;
  }

  /** Throws a ConfigError for a token that the vault does not know, UNAVAILABLE when it does not answer. */
  static async open(http: VaultHttp, options: TokenOptions): Promise<VaultToken> {
    const token = new VaultToken(http, options, options.token ?? '');
    await token.#read();
    const { status, body } = await token.#call('GET', 'lookup-self');
    if (status === 403) throw new ConfigError('the vault does not know its token: set another one');
    if (status !== 200) throw new CaasError('UNAVAILABLE', `the vault answers ${status}`);
    token.#plan(leaseOf(body['data'], 'ttl'));
    return token;
  }

  get value(): string {
    return this.#token;
  }

  /** The vault has refused the token: true when there is another one by now. */
  async replaced(): Promise<boolean> {
    const before = this.#token;
    await this.#read().catch(this.#options.onFault);
    return this.#token !== before;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #call(method: 'GET' | 'POST', what: string): Promise<VaultAnswer> {
    return this.#http.call(method, `auth/token/${what}`, this.#token, method === 'POST' ? {} : undefined);
  }

  async #read(): Promise<void> {
    const { tokenFile } = this.#options;
    if (tokenFile === undefined) return;
    const text = await readFile(tokenFile, 'utf8').catch((error: Error) => {
      throw new ConfigError(`the vault's token can't be read: ${error.message}`);
    });
    this.#token = text.trim();
  }

  #plan({ seconds, renewable }: Lease): void {
    if (seconds === 0 || (!renewable && this.#options.tokenFile === undefined)) return;
    this.#after((seconds * 1_000) / 2, seconds);
  }

  #after(waitMs: number, seconds: number): void {
    if (this.#closed) return;
    const bounded = Math.max(leastWaitMs, Math.min(waitMs, longestWaitMs));
    this.#timer = setTimeout(() => void this.#renew(seconds), bounded).unref();
  }

  async #renew(seconds: number): Promise<void> {
    try {
      await this.#read();
      const { status, body } = await this.#call('POST', 'renew-self');
      if (status === 200) {
        this.#plan(leaseOf(body['auth'], 'lease_duration'));
        return;
      }
      this.#options.onFault(new CaasError('UNAVAILABLE', `the vault does not renew its token: ${status}`));
    } catch (error) {
      this.#options.onFault(error);
    }
    this.#after(Math.min(againMs, (seconds * 1_000) / 10), seconds);
  }
}
