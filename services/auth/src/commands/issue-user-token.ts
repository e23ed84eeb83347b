import type { App, Session, User } from '@caas/account-store';
import { installationTenant } from '@caas/compliance-client/audit';
import { CaasError, fail, isPassing, newId, toCaasError } from '@caas/kit';
import type { CallContext } from '@caas/kit/grpc';
import type { IssueUserTokenRequest, IssueUserTokenResponse } from '@caas/proto/caas/auth/v1/token_service';
import { isSecretOf } from '../app-secret.ts';
import type { AuthCore, EndedBy } from '../core.ts';

/** What every user may do; further scopes are granted by later commands. */
const userScopes = ['chat'];
/** Surplus sessions ended at once; one begins at a time, so more appear only when the limit was lowered. */
const maxSurplus = 100;

const textWithoutControls = (field: string, value: string): void => {
  if (/\p{Cc}/u.test(value)) fail('INVALID_ARGUMENT', `${field} has control characters`, { details: { field } });
};

const userOf = async (core: AuthCore, tenantId: string, request: IssueUserTokenRequest): Promise<User> => {
  const { user } = await core.accounts.users.upsert({
    tenantId,
    externalId: request.userExternalId,
    displayName: request.displayName === '' ? undefined : request.displayName,
    nowMs: core.clock.now(),
  });
  if (user.deactivated) fail('USER_DEACTIVATED', 'the user is deactivated');
  return user;
};

/** Ends the oldest sessions past the limit, so that a user's sessions stay bounded. */
const endSurplus = async (core: AuthCore, { tenantId, userId }: User, by: Omit<EndedBy, 'reason'>): Promise<void> => {
  const nowMs = core.clock.now();
  const skip = core.config.maxLiveSessions;
  const surplus = await core.accounts.sessions.listLive({ tenantId, userId, nowMs, skip, limit: maxSurplus });
  const reason = 'TOO_MANY_SESSIONS';
  if (surplus.length > 0) core.ended(await core.accounts.sessions.end(surplus, nowMs, reason), { ...by, reason });
};

/** The app and its user, once the secret is right and both may come in. */
const admitted = async (core: AuthCore, request: IssueUserTokenRequest, app: App | undefined) => {
  const valid = isSecretOf(app, request.appSecret, core.clock.now());
  // One answer for an unknown app and a wrong secret: which apps exist is nobody's business.
  if (!app || !valid) throw new CaasError('UNAUTHENTICATED', 'app_id or app_secret is wrong');
  return { app, user: await userOf(core, app.tenantId, request) };
};

/** Trades an app's secret for a session of one of its users. */
export const issueUserToken =
  (core: AuthCore) =>
  async (
    request: IssueUserTokenRequest,
    { traceparent }: Pick<CallContext, 'traceparent'>,
  ): Promise<IssueUserTokenResponse> => {
    for (const field of ['userExternalId', 'displayName', 'device'] as const) {
      const name = field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      textWithoutControls(name, request[field]);
    }
    const { appId, remoteAddress } = request;
    const found = await core.accounts.apps.get(appId);
    const by = { actor: { kind: 'app', id: appId }, traceparent, remoteAddress } as const;
    const { app, user } = await admitted(core, request, found).catch((thrown: unknown) => {
      if (isPassing(thrown)) throw thrown;
      const { reason } = toCaasError(thrown);
      const tenantId = found?.tenantId ?? installationTenant;
      core.audit.record({ ...by, tenantId, action: 'token.refused', subjectId: appId, reason });
      throw thrown;
    });
    const nowMs = core.clock.now();
    const session: Session = {
      tenantId: app.tenantId,
      sessionId: newId(nowMs),
      userId: user.userId,
      appId: app.appId,
      scopes: userScopes,
      device: request.device,
      remoteAddress: request.remoteAddress,
      createdAtMs: nowMs,
      refreshedAtMs: nowMs,
      expiresAtMs: nowMs + core.config.refreshTokenMs,
      generation: 1,
    };
    // Asked in one turn they reach the store in order and share a commit.
    const created = core.accounts.sessions.create(session);
    const [isNew] = await Promise.all([created, endSurplus(core, user, by)]);
    if (!isNew) throw new CaasError('INTERNAL', 'a session id was made twice');
    const { tenantId, sessionId, userId } = session;
    // Who was closed meanwhile had their sessions ended before this one was there.
    if ((await core.accounts.users.get(tenantId, userId))?.deactivated) {
      core.ended(await core.accounts.sessions.end([session], nowMs, 'OPERATOR'), { ...by, reason: 'OPERATOR' });
      fail('USER_DEACTIVATED', 'the user is deactivated');
    }
    core.audit.record({ ...by, tenantId, action: 'token.issued', subjectId: sessionId, details: { user_id: userId } });
    return core.tokensOf(session);
  };
