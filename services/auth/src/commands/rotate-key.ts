import type { RotateKeyResponse } from '@caas/proto/caas/auth/v1/token_service';
import type { AuthCore } from '../core.ts';

/** Makes a new signing key current. */
export const rotateKey = (core: AuthCore) => async (): Promise<RotateKeyResponse> => ({
  keyId: await core.keys.rotate(),
});
