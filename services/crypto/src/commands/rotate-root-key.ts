import type { RotateRootKeyRequest, RotateRootKeyResponse } from '@caas/proto/caas/crypto/v1/key_service';
import type { CryptoCore } from '../core.ts';

/** Makes a new root key in the vault and wraps the tenants' keys by it. */
export const rotateRootKey =
  ({ rotations }: CryptoCore) =>
  (_: RotateRootKeyRequest): Promise<RotateRootKeyResponse> =>
    rotations.root();
