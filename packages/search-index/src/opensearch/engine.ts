import type { ConnectionOptions } from 'node:tls';
import { breaker, CaasError } from '@caas/kit';
import { Client, errors } from '@opensearch-project/opensearch';

export interface EngineOptions {
  urls: readonly string[];
  tls?: ConnectionOptions | undefined;
  /** Longest wait for an answer, in milliseconds. */
  commandTimeoutMs: number;
  /** Told of faults that the engine got over, or callers were refused for. */
  onFault(fault: unknown): void;
}

/** Answers that say "not now". */
const passing: ReadonlySet<number | undefined> = new Set([408, 429, 502, 503, 504]);

const toError = (thrown: unknown): CaasError => {
  if (thrown instanceof CaasError) return thrown;
  const status = thrown instanceof errors.ResponseError ? (thrown.statusCode ?? undefined) : undefined;
  const away = thrown instanceof errors.OpenSearchClientError && (status === undefined || passing.has(status));
  return away
    ? new CaasError('UNAVAILABLE', 'the search engine does not answer', { cause: thrown })
    : new CaasError('INTERNAL', 'internal error', { cause: thrown });
};

/** Calls in a row without an answer after which the engine is left alone, and for how long, in milliseconds. */
const openAfter = { failures: 5, openMs: 1_000 };

/** Runs calls of OpenSearch; what they throw is a CaasError. */
export class Engine {
  readonly #client: Client;
  readonly #guard = breaker('the search engine', openAfter);
  readonly #onFault: (fault: unknown) => void;
  #closed = false;

  constructor({ urls, tls, commandTimeoutMs, onFault }: EngineOptions) {
    this.#onFault = onFault;
    this.#client = new Client({
      nodes: [...urls],
      requestTimeout: commandTimeoutMs,
      // Whoever calls tries again, and says so.
      maxRetries: 0,
      ...(tls && { ssl: tls }),
    });
  }

  async run<T>(work: (client: Client) => Promise<T>): Promise<T> {
    if (this.#closed) throw new CaasError('DRAINING', 'the search index is closing');
    try {
      return await this.#guard(() =>
        work(this.#client).catch((thrown: unknown) => {
          throw toError(thrown);
        }),
      );
    } catch (error) {
      this.#onFault(error);
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#client.close();
  }
}
