import { fail } from '@caas/kit';
import type { EndSessionRequest, EndSessionResponse } from '@caas/proto/caas/auth/v1/session_service';
import { type AuthCore, claimsOf } from '../core.ts';

/** Ends one session of the claims' user; one that has ended already is fine, somebody else's is NOT_FOUND. */
export const endSession =
  (core: AuthCore) =>
  async (request: EndSessionRequest): Promise<EndSessionResponse> => {
    const claims = claimsOf(request);
    const key = { tenantId: claims.tenantId, sessionId: request.sessionId };
    const [session] = await core.accounts.sessions.getMany([key]);
    if (session?.userId !== claims.userId) {
      fail('NOT_FOUND', 'there is no such session of this user', { details: { field: 'session_id' } });
    }
    const reason = request.sessionId === claims.sessionId ? 'LOGOUT' : 'ENDED_BY_USER';
    core.ended(await core.accounts.sessions.end([key], core.clock.now(), reason));
    return {};
  };
