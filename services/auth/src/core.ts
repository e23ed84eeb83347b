import type { AccountStore, Session, SessionOfUser, Tenant } from '@caas/account-store';
import type { RootKey } from '@caas/key-vault';
import { CaasError, type Clock, newId } from '@caas/kit';
import type { TokenPair } from '@caas/proto/caas/auth/v1/token_service';
import type { Claims } from '@caas/proto/caas/common/v1/claims';
import { signAccessToken } from './access-token.ts';
import type { AuthConfig } from './config.ts';
import { maxRememberedTenants, tenantFreshMs } from './limits.ts';
import { Recent } from './recent.ts';
import { RefreshTokens } from './refresh-token.ts';
import { Revocations } from './revocations.ts';
import { SessionStates } from './session-states.ts';
import { SigningKeys } from './signing-keys.ts';

export type AccountRoles = Omit<AccountStore, 'close'>;

export interface CorePorts {
  accounts: AccountRoles;
  rootKey: RootKey;
  config: AuthConfig;
  clock: Clock;
}

/** What the commands share. */
export class AuthCore {
  readonly accounts: AccountRoles;
  readonly config: AuthConfig;
  readonly clock: Clock;
  readonly keys: SigningKeys;
  readonly refreshTokens: RefreshTokens;
  readonly sessionStates: SessionStates;
  readonly revocations: Revocations;
  readonly #tenants = new Recent<Tenant>({ maxEntries: maxRememberedTenants, ttlMs: tenantFreshMs });

  constructor({ accounts, rootKey, config, clock }: CorePorts) {
    this.accounts = accounts;
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
  ended(sessions: readonly SessionOfUser[]): void {
    this.revocations.tell(sessions);
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
