import type { Session } from '@caas/account-store';
import { installationTenant } from '@caas/compliance-client/audit';
import { CaasError, fail, isPassing, type Reason, toCaasError } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import type { RefreshTokenRequest, RefreshTokenResponse } from '@caas/proto/caas/auth/v1/token_service';
import type { AuthCore } from '../core.ts';
import { judgeRefresh, type RefreshName } from '../refresh-token.ts';

/** Refreshes of one token may meet; each round one of them wins, and a loser's next look settles it. */
const maxRounds = 3;

const refuse = (reason: Reason, message: string): never => fail(reason, message);

/** Whoever has a spent token, the thief or the one stolen from: the session ends for both. */
const endFamily = async (core: AuthCore, name: RefreshName, traceparent: string): Promise<never> => {
  const reason = 'REFRESH_TOKEN_REUSED';
  const ended = await core.accounts.sessions.end([name], core.clock.now(), reason);
  core.ended(ended, { actor: { kind: 'service', id: 'auth' }, reason, traceparent });
  return refuse(reason, 'the refresh token was used before; its session has ended');
};

const refuseEnded = (session: Session): never =>
  session.endReason === 'REFRESH_TOKEN_REUSED'
    ? refuse('REFRESH_TOKEN_REUSED', 'a refresh token of this session was used twice; the session has ended')
    : refuse('SESSION_REVOKED', 'the session has ended');

const refuseDeactivated = async (core: AuthCore, { tenantId, userId }: Session): Promise<void> => {
  const user = await core.accounts.users.get(tenantId, userId);
  if (!user || user.deactivated) fail('USER_DEACTIVATED', 'the user is deactivated');
};

/** The session at its next generation; undefined when another refresh came first. */
const rotate = async (core: AuthCore, session: Session): Promise<Session | undefined> => {
  await refuseDeactivated(core, session);
  const nowMs = core.clock.now();
  const to = { refreshedAtMs: nowMs, expiresAtMs: nowMs + core.config.refreshTokenMs };
  return core.accounts.sessions.advance(session, session.generation, to);
};

/** The session of a refresh token, at its next generation. */
const refreshed = async (core: AuthCore, name: RefreshName, traceparent: string): Promise<Session> => {
  for (let round = 0; round < maxRounds; round++) {
    const [session] = await core.accounts.sessions.getMany([name]);
    const rules = { nowMs: core.clock.now(), refreshGraceMs: core.config.refreshGraceMs };
    const verdict = judgeRefresh(session, name.generation, rules);
    if (!session || verdict === 'UNKNOWN') return refuse('UNAUTHENTICATED', 'the session is not known; sign in again');
    if (verdict === 'ENDED') return refuseEnded(session);
    if (verdict === 'EXPIRED') return refuse('UNAUTHENTICATED', 'the refresh token has expired; sign in again');
    if (verdict === 'REUSED') return endFamily(core, name, traceparent);
    const next = verdict === 'REPEAT' ? session : await rotate(core, session);
    if (next) return next;
  }
  return refuse('UNAVAILABLE', 'the session changes too fast');
};

/** Rotates a refresh token by one compare-and-set on its session; a spent one ends the session. */
export const refreshToken =
  (core: AuthCore) =>
  async (
    request: RefreshTokenRequest,
    { traceparent }: Pick<CallContext, 'traceparent'>,
  ): Promise<RefreshTokenResponse> => {
    const name = core.refreshTokens.read(request.refreshToken);
    // Nothing in it says whose it may be.
    const by = {
      tenantId: name?.tenantId ?? installationTenant,
      actor: { kind: 'user', id: '' },
      traceparent,
    } as const;
    const subjectId = name?.sessionId ?? '';
    try {
      if (!name) throw new CaasError('UNAUTHENTICATED', 'not a refresh token of this service');
      const session = await refreshed(core, name, traceparent);
      const actor = { kind: 'user', id: session.userId } as const;
      core.audit.record({ ...by, actor, action: 'token.refreshed', subjectId });
      return core.tokensOf(session);
    } catch (thrown) {
      if (isPassing(thrown)) throw thrown;
      const { reason } = toCaasError(thrown);
      const action = reason === 'REFRESH_TOKEN_REUSED' ? 'token.reuse_detected' : 'token.refused';
      core.audit.record({ ...by, action, subjectId, reason });
      throw thrown;
    }
  };
