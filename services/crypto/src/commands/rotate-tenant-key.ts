import type { RotateTenantKeyRequest, RotateTenantKeyResponse } from '@caas/proto/caas/crypto/v1/key_service';
import type { CryptoCore } from '../core.ts';

/** Makes a new key of a tenant and wraps its users' keys by it. */
export const rotateTenantKey =
  ({ rotations }: CryptoCore) =>
  ({ tenantId }: RotateTenantKeyRequest): Promise<RotateTenantKeyResponse> =>
    rotations.tenant(tenantId);
