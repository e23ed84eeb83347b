import { maxSessionsPerCall } from '@caas/account-store';
import type { CallContext } from '@caas/kit/grpc';
import type { CloseUserRequest, CloseUserResponse } from '@caas/proto/caas/auth/v1/personal_data_service';
import type { AuthCore } from '../core.ts';

/** Keeps a user from signing in, then ends their sessions; one that begins in between is ended by who began it. */
export const closeUser =
  (core: AuthCore) =>
  async (
    { tenantId, userId }: CloseUserRequest,
    { caller, traceparent }: Pick<CallContext, 'caller' | 'traceparent'>,
  ): Promise<CloseUserResponse> => {
    const { users, sessions } = core.accounts;
    const nowMs = core.clock.now();
    const known = await users.get(tenantId, userId);
    if (!known) return { found: false, ended: 0 };
    if (!known.deactivated) await users.updateProfile(tenantId, userId, { deactivated: true }, nowMs);
    const live = await sessions.listLive({ tenantId, userId, nowMs, skip: 0, limit: maxSessionsPerCall });
    const ended = await sessions.end(live, nowMs, 'OPERATOR');
    core.ended(ended, { actor: { kind: 'service', id: caller }, reason: 'OPERATOR', traceparent });
    return { found: true, ended: ended.length };
  };
