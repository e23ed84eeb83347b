import type { AccountStore, EndReason, Session, SessionOfUser, Tenant } from '@caas/account-store';
import type { Actor, AuditWriter } from '@caas/compliance-client/audit';
import { CaasError, type Clock, newId } from '@caas/kit';
import type { RootKey } from '@caas/kit/sealing';
import { SigningKeys } from '@caas/kit/signing-keys';
import type { TokenPair } from '@caas/proto/caas/auth/v1/token_service';
import type { Claims } from '@caas/proto/caas/common/v1/claims';
import { signAccessToken } from './access-token.ts';
import type { AuthConfig } from './config.ts';
import { maxRememberedTenants, tenantFreshMs } from './limits.ts';
import { Recent } from './recent.ts';
import { RefreshTokens } from './refresh-token.ts';
import { Revocations } from './revocations.ts';
import { SessionStates } from './session-states.ts';

export type AccountRoles = Omit<AccountStore, 'close'>;

/** Who ended sessions and why, for the audit log. */
export interface EndedBy {
  actor: Actor;
  reason: EndReason;
  traceparent: string;
}

export interface CorePorts {
  accounts: AccountRoles;
  audit: AuditWriter;
  rootKey: RootKey;
  config: AuthConfig;
  clock: Clock;
}

/** What the commands share. */
export class AuthCore {
  readonly accounts: AccountRoles;
  readonly audit: AuditWriter;
  readonly config: AuthConfig;
  readonly clock: Clock;
  readonly keys: SigningKeys;
  readonly refreshTokens: RefreshTokens;
  readonly sessionStates: SessionStates;
  readonly revocations: Revocations;
  readonly #tenants = new Recent<Tenant>({ maxEntries: maxRememberedTenants, ttlMs: tenantFreshMs });

  constructor({ accounts, audit, rootKey, config, clock }: CorePorts) {
    this.accounts = accounts;
    this.audit = audit;
    this.config = config;
    this.clock = clock;
    const keptMs = config.accessTokenMs + config.clockSkewMs;
    this.keys = new SigningKeys({ store: accounts.signingKeys, rootKey, clock }, keptMs);
    this.refreshTokens = new RefreshTokens(rootKey.derive('caas refresh tokens'));
    this.sessionStates = new SessionStates(accounts.sessions, clock);
    this.revocations = new Revocations(accounts.sessions, clock, (ended) => this.sessionStates.ended(ended));
  }

  /** A tenant, at most `tenantFreshMs` old; undefined when there is none. */
  async tenant(tenantId: string): Promise<Tenant | undefined> {
    const nowMs = this.clock.now();
    const known = this.#tenants.get(tenantId, nowMs);
    if (known) return known;
    const tenant = await this.accounts.tenants.get(tenantId);
    if (tenant) this.#tenants.set(tenantId, tenant, nowMs);
    return tenant;
  }

  /** Tells everybody that sessions ended, after the store has them as ended. */
  ended(sessions: readonly SessionOfUser[], { actor, reason, traceparent }: EndedBy): void {
    this.revocations.tell(sessions);
    for (const { tenantId, userId, sessionId } of sessions)
      this.audit.record({
        tenantId,
        action: 'session.revoked',
        actor,
        subjectId: sessionId,
        traceparent,
        details: { user_id: userId, end_reason: reason },
      });
  }

  /** The tokens of a session as it stands. */
  tokensOf(session: Session): { tokens: TokenPair; claims: Claims } {
    const { tenantId, appId, userId, sessionId, scopes } = session;
    // JWT dates are whole seconds; rounded down, so that the token never outlives what we promise.
    const issuedAtMs = Math.floor(this.clock.now() / 1000) * 1000;
    const expiresAtMs = issuedAtMs + Math.floor(this.config.accessTokenMs / 1000) * 1000;
    const claims = { tenantId, appId, userId, sessionId, scopes, expiresAtMs };
    const by = { issuer: this.config.issuer, tokenId: newId(), ...this.keys.current };
    const tokens = {
      accessToken: signAccessToken({ ...claims, issuedAtMs }, by),
      refreshToken: this.refreshTokens.make(session),
      expiresAtMs,
      refreshExpiresAtMs: session.expiresAtMs,
    };
    return { tokens, claims };
  }
}

/** The claims of a request; the contract's scope rule has refused requests without them before. */
export const claimsOf = (request: { claims: Claims | undefined }): Claims => {
  if (!request.claims) throw new CaasError('UNAUTHENTICATED', 'the request carries no claims');
  return request.claims;
};
