import type { OpenKeysRequest, OpenKeysResponse } from '@caas/proto/caas/crypto/v1/key_service';
import type { CryptoCore } from '../core.ts';

/** Unwraps keys, each on its own. */
export const openKeys =
  ({ keys, config }: CryptoCore) =>
  async ({ tenantId, keyIds }: OpenKeysRequest): Promise<OpenKeysResponse> => ({
    keys: await keys.open(tenantId, keyIds),
    holdMs: config.keyHoldMs,
  });
