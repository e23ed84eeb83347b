import type { ListSessionsRequest, ListSessionsResponse } from '@caas/proto/caas/auth/v1/session_service';
import { type AuthCore, claimsOf } from '../core.ts';

/** Most sessions a list has; the limit of live sessions is at most this. */
const maxListed = 1000;

/** The live sessions of the claims' user, newest first. */
export const listSessions =
  (core: AuthCore) =>
  async (request: ListSessionsRequest): Promise<ListSessionsResponse> => {
    const { tenantId, userId, sessionId } = claimsOf(request);
    const query = { tenantId, userId, nowMs: core.clock.now(), skip: 0, limit: maxListed };
    const live = await core.accounts.sessions.listLive(query);
    return {
      sessions: live.map((session) => ({
        sessionId: session.sessionId,
        createdAtMs: session.createdAtMs,
        refreshedAtMs: session.refreshedAtMs,
        device: session.device,
        remoteAddress: session.remoteAddress,
        current: session.sessionId === sessionId,
      })),
    };
  };
