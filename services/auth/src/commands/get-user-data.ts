import { fail } from '@caas/kit';
import type { GetUserDataRequest, GetUserDataResponse } from '@caas/proto/caas/auth/v1/personal_data_service';
import type { AuthCore } from '../core.ts';
import { sessionDataPage } from '../limits.ts';

/** What auth knows of a user: the profile, and a page of the sessions. */
export const getUserData =
  ({ accounts }: Pick<AuthCore, 'accounts'>) =>
  async ({ tenantId, userId, afterSessionId }: GetUserDataRequest): Promise<GetUserDataResponse> => {
    const [user, sessions] = await Promise.all([
      accounts.users.get(tenantId, userId),
      accounts.sessions.ofUser({ tenantId, userId }, afterSessionId, sessionDataPage),
    ]);
    if (!user) return fail('USER_NOT_FOUND', 'no such user', { details: { user_id: userId } });
    return {
      user: { ...user, metadata: { ...user.metadata } },
      sessions: sessions.map(({ endedAtMs = 0, ...session }) => ({ ...session, endedAtMs })),
    };
  };
