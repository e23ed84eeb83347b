import { fail } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import type { EndSessionRequest, EndSessionResponse } from '@caas/proto/caas/auth/v1/session_service';
import { type AuthCore, claimsOf } from '../core.ts';

/** Ends one session of the claims' user; one that has ended already is fine, somebody else's is NOT_FOUND. */
export const endSession =
  (core: AuthCore) =>
  async (
    request: EndSessionRequest,
    { traceparent }: Pick<CallContext, 'traceparent'>,
  ): Promise<EndSessionResponse> => {
    const claims = claimsOf(request);
    const key = { tenantId: claims.tenantId, sessionId: request.sessionId };
    const [session] = await core.accounts.sessions.getMany([key]);
    if (session?.userId !== claims.userId) {
      fail('NOT_FOUND', 'there is no such session of this user', { details: { field: 'session_id' } });
    }
    const reason = request.sessionId === claims.sessionId ? 'LOGOUT' : 'ENDED_BY_USER';
    const ended = await core.accounts.sessions.end([key], core.clock.now(), reason);
    core.ended(ended, { actor: { kind: 'user', id: claims.userId }, reason, traceparent });
    return {};
  };
