import { fail } from '@caas/kit';
import type { EraseUserRequest, EraseUserResponse } from '@caas/proto/caas/auth/v1/personal_data_service';
import type { AuthCore } from '../core.ts';
import { sessionDataPage } from '../limits.ts';

/** Takes out all that auth knows of a closed user: the sessions first, so that the profile's erasure clears the files of both. */
export const eraseUser =
  ({ accounts, clock }: Pick<AuthCore, 'accounts' | 'clock'>) =>
  async ({ tenantId, userId }: EraseUserRequest): Promise<EraseUserResponse> => {
    const known = await accounts.users.get(tenantId, userId);
    if (known && !known.deactivated) fail('FAILED_PRECONDITION', 'the user is not closed');
    let removed = 0;
    for (;;) {
      const page = await accounts.sessions.ofUser({ tenantId, userId }, '', sessionDataPage);
      if (page.length === 0) break;
      removed += await accounts.sessions.remove(page);
    }
    await accounts.users.erase(tenantId, userId, clock.now());
    return { sessions: removed };
  };
