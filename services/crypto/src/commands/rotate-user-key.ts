import type { RotateUserKeyRequest, RotateUserKeyResponse } from '@caas/proto/caas/crypto/v1/key_service';
import type { CryptoCore } from '../core.ts';

/** Makes a new current key of a user; holders take it when what they hold is over. */
export const rotateUserKey =
  ({ keys }: CryptoCore) =>
  async ({ tenantId, userId }: RotateUserKeyRequest): Promise<RotateUserKeyResponse> => ({
    keyId: await keys.rotate(tenantId, userId),
  });
