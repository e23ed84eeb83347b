import type { GetCurrentKeysRequest, GetCurrentKeysResponse } from '@caas/proto/caas/crypto/v1/key_service';
import type { CryptoCore } from '../core.ts';

/** The keys that new content of users is sealed under. */
export const getCurrentKeys =
  ({ keys, config }: CryptoCore) =>
  async ({ tenantId, userIds }: GetCurrentKeysRequest): Promise<GetCurrentKeysResponse> => ({
    keys: await keys.current(tenantId, userIds),
    holdMs: config.keyHoldMs,
  });
