import { setTimeout as pause } from 'node:timers/promises';
import { chunksOf, type Logger } from '@caas/kit';
import { ContentPolicy } from '@caas/proto/caas/compliance/v1/policy_service';
import { maxTenantsPerRequest, readStoreMs } from './limits.ts';

/** Where the policies are kept. */
export interface PolicySource {
  /** The current version of each tenant, in their order; 0: it has none. */
  versions(tenantIds: readonly string[]): Promise<number[]>;
  /** A version, with the encoded policy. */
  get(tenantId: string, version: number): Promise<{ policy: Uint8Array } | undefined>;
}

/** Whom the source is asked for. */
interface Holder {
  /** The tenants, with the version that is known of each. */
  known(): readonly (readonly [tenantId: string, version: number | undefined])[];
  told(policy: ContentPolicy): void;
}

/** Asks where policies are kept, while compliance does not answer. What it reads is current: nobody else makes versions. */
export class StandIn {
  readonly #source: PolicySource | undefined;
  readonly #holder: Holder;
  readonly #logger: Logger;
  /** One reading at a time; who asks meanwhile has one more after it. */
  #isReading = false;
  #isDue = false;
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** The reading after which a fault was told last: once is enough. */
  #toldOf: number | undefined;

  constructor({ source, logger }: { source?: PolicySource; logger: Logger }, holder: Holder) {
    this.#source = source;
    this.#holder = holder;
    this.#logger = logger;
  }

  /** When the source was last asked of all tenants and answered, of performance.now(). */
  get readAtMs(): number {
    return this.#readAtMs;
  }

  /** Reads again and again while compliance is silent, until the signal. */
  async run(isSilent: () => boolean, signal: AbortSignal): Promise<void> {
    while (this.#source && !signal.aborted) {
      if (isSilent()) await this.read();
      await pause(readStoreMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Tells of all tenants whose version is another than the one known. Never rejects. */
  async read(): Promise<void> {
    this.#isDue = true;
    if (this.#isReading || !this.#source) return;
    this.#isReading = true;
    while (this.#isDue) {
      this.#isDue = false;
      const fromMs = performance.now();
      try {
        await this.#compare(this.#source);
        this.#readAtMs = fromMs;
      } catch (err) {
        if (this.#toldOf !== this.#readAtMs) this.#logger.warn({ err }, 'policies can’t be read where they are kept');
        this.#toldOf = this.#readAtMs;
      }
    }
    this.#isReading = false;
  }

  async #compare(source: PolicySource): Promise<void> {
    for (const known of chunksOf(this.#holder.known(), maxTenantsPerRequest)) {
      const versions = await source.versions(known.map(([tenantId]) => tenantId));
      for (const [i, [tenantId, before]] of known.entries()) {
        const version = versions[i] ?? 0;
        if (version === before) continue;
        const found = version === 0 ? undefined : await source.get(tenantId, version);
        this.#holder.told(found ? ContentPolicy.decode(found.policy) : ContentPolicy.fromPartial({ tenantId }));
      }
    }
  }
}
