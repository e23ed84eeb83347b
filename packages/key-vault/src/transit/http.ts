import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { CaasError } from '@caas/kit';

/** Greatest answer that is read, in bytes. */
const maxAnswerBytes = 1024 * 1024;
/** Connections to the vault at a time; more calls wait for one. */
const maxConnections = 16;
/** Calls under way or waiting at a time; more are refused with OVERLOADED. */
const maxPendingCalls = 1_000;

export interface VaultHttpOptions {
  /** `https://host:port`, or `http://` for a vault of this machine. */
  url: string;
  /** PEM of the authority of its certificate; the machine's without. */
  ca?: Uint8Array | undefined;
  /** Of Vault Enterprise and OpenBao. */
  namespace?: string | undefined;
  /** Longest wait for an answer, in milliseconds. */
  timeoutMs: number;
}

export interface VaultAnswer {
  status: number;
  /** The JSON's object; empty where there is none. */
  body: Readonly<Record<string, unknown>>;
}

const textOf = async (response: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw new Error(`an answer of more than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

const bodyOf = (text: string): VaultAnswer['body'] => {
  const value: unknown = text === '' ? {} : JSON.parse(text);
  return typeof value === 'object' && value !== null ? (value as VaultAnswer['body']) : {};
};

/** One HTTP call to a vault, over connections that are kept. Rejects UNAVAILABLE when no answer comes in time. */
export class VaultHttp {
  readonly #options: VaultHttpOptions;
  readonly #secure: boolean;
  readonly #agent: HttpAgent;
  #pending = 0;

  constructor(options: VaultHttpOptions) {
    this.#options = options;
    this.#secure = options.url.startsWith('https:');
    const kept = { keepAlive: true, maxSockets: maxConnections };
    this.#agent = this.#secure
      ? new HttpsAgent({ ...kept, ...(options.ca && { ca: Buffer.from(options.ca) }) })
      : new HttpAgent(kept);
  }

  async call(method: 'GET' | 'POST', path: string, token: string, body?: object): Promise<VaultAnswer> {
    if (this.#pending >= maxPendingCalls) {
      const details = { limit: 'maxPendingCalls', value: String(maxPendingCalls) };
      throw new CaasError('OVERLOADED', 'too many calls wait for the vault', { details });
    }
    this.#pending += 1;
    try {
      return await this.#once(method, path, token, body === undefined ? undefined : JSON.stringify(body));
    } catch (cause) {
      throw new CaasError('UNAVAILABLE', 'the vault does not answer', { cause });
    } finally {
      this.#pending -= 1;
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #once(method: string, path: string, token: string, body: string | undefined): Promise<VaultAnswer> {
    const { url, namespace, timeoutMs } = this.#options;
    const headers = {
      'x-vault-token': token,
      'x-vault-request': 'true',
      ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
      ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    };
    return new Promise((resolve, reject) => {
      // One limit for all of it: connecting, the answer's head and its end.
      const signal = AbortSignal.timeout(timeoutMs);
      const options = { method, headers, agent: this.#agent, signal };
      const request = (this.#secure ? httpsRequest : httpRequest)(`${url}/v1/${path}`, options, (response) => {
        textOf(response)
          .then((text) => resolve({ status: response.statusCode ?? 0, body: bodyOf(text) }))
          .catch(reject);
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}
