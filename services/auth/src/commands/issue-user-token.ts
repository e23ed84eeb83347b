import type { Session, User } from '@caas/account-store';
import { CaasError, fail, newId } from '@caas/kit';
import type { IssueUserTokenRequest, IssueUserTokenResponse } from '@caas/proto/caas/auth/v1/token_service';
import { isSecretOf } from '../app-secret.ts';
import type { AuthCore } from '../core.ts';

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
const endSurplus = async (core: AuthCore, { tenantId, userId }: User): Promise<void> => {
  const nowMs = core.clock.now();
  const skip = core.config.maxLiveSessions;
  const surplus = await core.accounts.sessions.listLive({ tenantId, userId, nowMs, skip, limit: maxSurplus });
  if (surplus.length > 0) core.ended(await core.accounts.sessions.end(surplus, nowMs, 'TOO_MANY_SESSIONS'));
};

/** Trades an app's secret for a session of one of its users. */
export const issueUserToken =
  (core: AuthCore) =>
  async (request: IssueUserTokenRequest): Promise<IssueUserTokenResponse> => {
    for (const field of ['userExternalId', 'displayName', 'device'] as const) {
      const name = field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      textWithoutControls(name, request[field]);
    }
    const app = await core.accounts.apps.get(request.appId);
    const valid = isSecretOf(app, request.appSecret, core.clock.now());
    // One answer for an unknown app and a wrong secret: which apps exist is nobody's business.
    if (!app || !valid) throw new CaasError('UNAUTHENTICATED', 'app_id or app_secret is wrong');
    const user = await userOf(core, app.tenantId, request);
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
    const [isNew] = await Promise.all([created, endSurplus(core, user)]);
    if (!isNew) throw new CaasError('INTERNAL', 'a session id was made twice');
    return core.tokensOf(session);
  };
