import type { CheckSessionsRequest, CheckSessionsResponse } from '@caas/proto/caas/auth/v1/session_service';
import type { AuthCore } from '../core.ts';

/** Which of the sessions are ended, expired or unknown. Read from the store: who asks has missed something. */
export const checkSessions =
  (core: AuthCore) =>
  async (request: CheckSessionsRequest): Promise<CheckSessionsResponse> => {
    const nowMs = core.clock.now();
    const sessions = await core.accounts.sessions.getMany(request.sessions);
    const invalid = request.sessions.filter((_, i) => {
      const session = sessions[i];
      return !session || session.endedAtMs !== undefined || session.expiresAtMs <= nowMs;
    });
    return { invalidSessionIds: invalid.map((ref) => ref.sessionId) };
  };
