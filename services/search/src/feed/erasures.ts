import { setTimeout as sleep } from 'node:timers/promises';
import type { KeySource } from '@caas/compliance-client/keys';
import { CaasError, fail, type Logger, type Runnable } from '@caas/kit';
import type { DestroyedKey } from '@caas/proto/caas/crypto/v1/key_service';
import type { SearchIndex } from '@caas/search-index';
import { followWaitMs, maxRememberedErased, rewatchMs, unheardMs } from '../limits.ts';

export interface ErasuresParts {
  keys: Pick<KeySource, 'watchDestroyed'>;
  index: SearchIndex;
  logger: Logger;
}

/** Mark of the time up to which all that was destroyed is purged, UTC milliseconds. */
const mark = 'erasures';

const nameOf = (tenantId: string, userId: string): string => `${tenantId}\0${userId}`;

/**
 * The index holds words in the clear: of users whose keys are destroyed it purges them, as crypto tells of it. How far that is
 * is kept with the index, so that what was destroyed while this service or crypto was away is purged when both are back.
 */
export class Erasures implements Runnable {
  readonly name = 'erasures';
  readonly #parts: ErasuresParts;
  /** Users seen destroyed by this process, for what was read before and is written after. */
  readonly #erased = new Set<string>();
  #asOfMs: number | undefined;
  readonly #heard = Promise.withResolvers<void>();

  constructor(parts: ErasuresParts) {
    this.#parts = parts;
  }

  /**
   * Resolves once crypto was heard in the life of the index: what is indexed from then on can be purged. Rejects UNAVAILABLE
   * when that takes long.
   */
  async followed(): Promise<void> {
    if (this.#asOfMs !== undefined) return;
    const late = sleep(followWaitMs, 'late' as const, { ref: false });
    if ((await Promise.race([this.#heard.promise, late])) === 'late')
      fail('UNAVAILABLE', 'destroyed keys are not followed yet');
  }

  /** Purges once more whoever of these was erased while something of theirs was on its way into the index. */
  async purgeLate(tenantId: string, userIds: ReadonlySet<string>): Promise<void> {
    for (const userId of userIds)
      if (this.#erased.has(nameOf(tenantId, userId))) await this.#parts.index.purgeSender(tenantId, userId);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#follow(signal).catch((err: unknown) => {
        if (!signal.aborted) this.#parts.logger.warn({ err }, 'erased users are not followed; trying again');
      });
      await sleep(rewatchMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { keys: source, index } = this.#parts;
    const [kept] = await index.marks([mark]);
    this.#asOfMs ??= kept === undefined ? undefined : Number(kept);
    const silence = new AbortController();
    const unheard = setTimeout(() => silence.abort(new CaasError('UNAVAILABLE', 'crypto says nothing')), unheardMs);
    try {
      // An index without the mark is new: it has nothing of the past.
      const request = { holder: 'search index', afterMs: this.#asOfMs ?? 0 };
      const options = { signal: AbortSignal.any([signal, silence.signal]) };
      for await (const { keys, asOfMs } of source.watchDestroyed(request, options)) {
        unheard.refresh();
        await this.#purge(keys);
        // While there is something to tell, later destructions may have been seen and not told.
        if (keys.length > 0) continue;
        await index.apply({ documents: [], marks: { [mark]: String(asOfMs) } });
        this.#asOfMs = asOfMs;
        this.#heard.resolve();
      }
      throw new CaasError('UNAVAILABLE', 'crypto ended the watch');
    } finally {
      clearTimeout(unheard);
    }
  }

  async #purge(keys: readonly DestroyedKey[]): Promise<void> {
    const users = new Map(keys.map((key) => [nameOf(key.tenantId, key.userId), key]));
    for (const [name, { tenantId, userId }] of users) {
      this.#erased.add(name);
      if (this.#erased.size > maxRememberedErased) this.#erased.delete(this.#erased.values().next().value as string);
      const messages = await this.#parts.index.purgeSender(tenantId, userId);
      if (messages > 0) this.#parts.logger.info({ tenantId, messages }, 'an erased user was purged');
    }
  }
}
