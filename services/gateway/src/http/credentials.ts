import { CaasError, fail, hasCredentialInUrl, reasonOf } from '@caas/kit';
import type { GrpcClient } from '@caas/kit/grpc';
import type { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';
import type { Claims } from '@caas/proto/caas/common/v1/claims';

/** Refuses a URL with a credential in its query: logs and proxies on the way have kept it already. */
export const refuseTokenInUrl = (url: string): void => {
  if (hasCredentialInUrl(url)) fail('TOKEN_IN_URL', 'a credential in the URL is refused; treat it as leaked');
};

/** The token of an Authorization header; throws UNAUTHENTICATED when there is none. */
export const bearerOf = (header: string | undefined): string => {
  const [, token] = /^Bearer +([\w.~+/=-]{1,4096})$/i.exec(header ?? '') ?? [];
  return token ?? fail('UNAUTHENTICATED', 'the request needs the header Authorization: Bearer <access_token>');
};

/** Claims of an access token as auth verified it; no verdict means no entry. */
export const verifiedClaims = async (
  tokens: Pick<GrpcClient<typeof TokenServiceService>, 'verifyTokens'>,
  accessToken: string,
  call: { traceparent: string; signal: AbortSignal },
): Promise<Claims> => {
  const { verdicts } = await tokens.verifyTokens({ accessTokens: [accessToken] }, call);
  const verdict = verdicts[0]?.verdict;
  if (verdict?.$case === 'refused') throw new CaasError(reasonOf(verdict.value), 'the access token was refused');
  return verdict?.value.claims ?? fail('UNAVAILABLE', 'no verdict on the access token');
};
