import type { DestroyUserKeysRequest, DestroyUserKeysResponse } from '@caas/proto/caas/crypto/v1/key_service';
import type { CryptoCore } from '../core.ts';
import { destroyedKeysOf } from '../destructions.ts';

/** Destroys all keys of a user and tells the holders; answered once the store has none of their bytes. */
export const destroyUserKeys =
  ({ store, destructions, clock }: CryptoCore) =>
  async ({ tenantId, userId }: DestroyUserKeysRequest): Promise<DestroyUserKeysResponse> => {
    const destroyed = await store.users.destroy({ tenantId, userId }, clock.now());
    destructions.tell([destroyed]);
    return { keys: destroyedKeysOf(destroyed), goneEverywhereAtMs: destructions.goneEverywhereAtMs() };
  };
