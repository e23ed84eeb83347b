import { maxSessionsPerCall } from '@caas/account-store';
import type { CallContext } from '@caas/kit/grpc';
import type { EndAllSessionsRequest, EndAllSessionsResponse } from '@caas/proto/caas/auth/v1/session_service';
import { type AuthCore, claimsOf } from '../core.ts';

/** Ends every session the claims' user has at the time of the call. */
export const endAllSessions =
  (core: AuthCore) =>
  async (
    request: EndAllSessionsRequest,
    { traceparent }: Pick<CallContext, 'traceparent'>,
  ): Promise<EndAllSessionsResponse> => {
    const { tenantId, userId } = claimsOf(request);
    const nowMs = core.clock.now();
    // Live sessions are bounded far below one page.
    const query = { tenantId, userId, nowMs, skip: 0, limit: maxSessionsPerCall };
    const live = await core.accounts.sessions.listLive(query);
    const ended = await core.accounts.sessions.end(live, nowMs, 'ENDED_BY_USER');
    core.ended(ended, { actor: { kind: 'user', id: userId }, reason: 'ENDED_BY_USER', traceparent });
    return { ended: ended.length };
  };
