import { CaasError } from '@caas/kit';
import type { RefreshTokenResponse } from '@caas/proto/caas/auth/v1/token_service';
import type { z } from 'zod';
import type { refreshResponse } from '../schemas/auth.ts';

/** How long a token lives, as it says itself: auth's clock may be another than ours. */
const lifeSecondsOf = (accessToken: string): number => {
  const { iat, exp } = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString());
  return exp - iat;
};

/** A pair of tokens as REST tells it. */
export const tokenAnswer = ({ tokens, claims }: RefreshTokenResponse): z.infer<typeof refreshResponse> => {
  if (!tokens || !claims) throw new CaasError('INTERNAL', 'auth answered without tokens');
  return {
    access_token: tokens.accessToken,
    refresh_token: tokens.refreshToken,
    token_type: 'Bearer',
    expires_in: lifeSecondsOf(tokens.accessToken),
    expires_at: tokens.expiresAtMs,
    refresh_expires_at: tokens.refreshExpiresAtMs,
    user_id: claims.userId,
    session_id: claims.sessionId,
    tenant_id: claims.tenantId,
  };
};
