import type { GetKeysResponse } from '@caas/proto/caas/auth/v1/token_service';
import type { AuthCore } from '../core.ts';

/** The public keys access tokens are signed with. */
export const getKeys = (core: AuthCore) => async (): Promise<GetKeysResponse> => ({ jwksJson: core.keys.jwks() });
