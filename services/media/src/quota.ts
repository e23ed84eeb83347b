import { fail } from '@caas/kit';
import type { MediaCore } from './core.ts';
import { maxMeteredTenants, meterMs } from './limits.ts';
import { MEDIA_STATE_COMMITTED, MEDIA_STATE_PROCESSING, MEDIA_STATE_UPLOADING } from './model.ts';

const counted = [MEDIA_STATE_UPLOADING, MEDIA_STATE_PROCESSING, MEDIA_STATE_COMMITTED];

interface Held {
  bytes: number;
  atMs: number;
}

/**
 * What tenants hold, against what they may: counted in the store now and then, and between by what this process has begun. So one
 * process keeps to the bound, and several pass it by no more than what the others begin in `meterMs`.
 */
export class Quota {
  readonly #held = new Map<string, Held>();
  /** Bytes of uploads that were let in and are not in the store yet. */
  readonly #coming = new Map<string, number>();
  /** One at a time looks and takes. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Begins an upload that has room; LIMIT_EXCEEDED when it has none. */
  async begin(core: MediaCore, tenantId: string, sizeBytes: number, create: () => Promise<unknown>): Promise<void> {
    const taken = this.#turn.then(() => this.#take(core, tenantId, sizeBytes));
    this.#turn = taken.catch(() => undefined);
    await taken;
    try {
      await create();
    } finally {
      this.#come(tenantId, -sizeBytes);
    }
  }

  async #take({ store, clock, config }: MediaCore, tenantId: string, sizeBytes: number): Promise<void> {
    const { maxTenantBytes } = config;
    let held = this.#held.get(tenantId);
    // Whoever is refused may have deleted something since.
    if (!held || clock.now() - held.atMs > meterMs || held.bytes + sizeBytes > maxTenantBytes) {
      const coming = this.#coming.get(tenantId) ?? 0;
      held = { bytes: coming + (await store.bytesOf(tenantId, counted)), atMs: clock.now() };
      this.#held.delete(tenantId);
      this.#held.set(tenantId, held);
      if (this.#held.size > maxMeteredTenants) this.#held.delete(this.#held.keys().next().value as string);
    }
    if (held.bytes + sizeBytes > maxTenantBytes)
      fail('LIMIT_EXCEEDED', `the media of the tenant may hold ${maxTenantBytes} bytes`, {
        details: { limit: 'maxTenantBytes', value: String(maxTenantBytes), unit: 'bytes' },
      });
    held.bytes += sizeBytes;
    this.#come(tenantId, sizeBytes);
  }

  #come(tenantId: string, bytes: number): void {
    const coming = (this.#coming.get(tenantId) ?? 0) + bytes;
    if (coming > 0) this.#coming.set(tenantId, coming);
    else this.#coming.delete(tenantId);
  }
}
