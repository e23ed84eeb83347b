import type { Tenant } from '@caas/account-store';
import { type Reason, reasonNumber, sha256 } from '@caas/kit';
import type { TokenVerdict, VerifyTokensRequest, VerifyTokensResponse } from '@caas/proto/caas/auth/v1/token_service';
import { type AccessClaims, type AccessVerdict, keyIdOf, verifyAccessToken } from '../access-token.ts';
import type { AuthCore } from '../core.ts';
import { maxRememberedTokens, maxTurnMs, tokenRememberedMs } from '../limits.ts';
import { Recent } from '../recent.ts';

const refused = (reason: Reason): TokenVerdict => ({ verdict: { $case: 'refused', value: reasonNumber(reason) } });

/** Checks signatures; what was checked a moment ago is remembered under the token's hash, never the token itself. */
class SignatureCheck {
  readonly #core: AuthCore;
  readonly #checked = new Recent<AccessClaims>({ maxEntries: maxRememberedTokens, ttlMs: tokenRememberedMs });

  constructor(core: AuthCore) {
    this.#core = core;
  }

  async all(tokens: readonly string[]): Promise<AccessVerdict[]> {
    const verdicts: AccessVerdict[] = [];
    let turnAt = performance.now();
    for (const token of tokens) {
      if (performance.now() - turnAt > maxTurnMs) {
        await new Promise((resolve) => setImmediate(resolve));
        turnAt = performance.now();
      }
      const nowMs = this.#core.clock.now();
      const hash = sha256(token);
      const claims = this.#checked.get(hash, nowMs);
      if (claims) {
        verdicts.push(claims.expiresAtMs > nowMs ? { ok: true, claims } : { ok: false, reason: 'TOKEN_EXPIRED' });
        continue;
      }
      const verdict = await this.#one(token);
      if (verdict.ok) this.#checked.set(hash, verdict.claims, nowMs);
      verdicts.push(verdict);
    }
    return verdicts;
  }

  async #one(token: string): Promise<AccessVerdict> {
    const { keys, config, clock } = this.#core;
    const keyId = keyIdOf(token);
    if (keyId !== undefined && !keys.publicKey(keyId)) await keys.learn(keyId);
    return verifyAccessToken(token, {
      issuer: config.issuer,
      clockSkewMs: config.clockSkewMs,
      nowMs: clock.now(),
      keyOf: (id) => keys.publicKey(id),
    });
  }
}

const tenantsOf = async (core: AuthCore, tenantIds: Iterable<string>): Promise<Map<string, Tenant | undefined>> =>
  new Map(await Promise.all([...new Set(tenantIds)].map(async (id) => [id, await core.tenant(id)] as const)));

/** Verifies each token on its own: signature, dates, session, tenant. Rejects when the store gives no answer. */
export const verifyTokens = (core: AuthCore) => {
  const signatures = new SignatureCheck(core);
  return async (request: VerifyTokensRequest): Promise<VerifyTokensResponse> => {
    const checked = await signatures.all(request.accessTokens);
    const valid = checked.flatMap((verdict) => (verdict.ok ? [verdict.claims] : []));
    const [refusals, tenants] = await Promise.all([
      core.sessionStates.refusals(valid),
      tenantsOf(
        core,
        valid.map((claims) => claims.tenantId),
      ),
    ]);
    let at = 0;
    const verdicts = checked.map((verdict): TokenVerdict => {
      if (!verdict.ok) return refused(verdict.reason);
      const refusal = refusals[at++];
      if (refusal) return refused(refusal);
      const { tenantId, appId, userId, sessionId, scopes, expiresAtMs } = verdict.claims;
      const tenant = tenants.get(tenantId);
      if (!tenant) return refused('UNAUTHENTICATED');
      const claims = { tenantId, appId, userId, sessionId, scopes, expiresAtMs };
      const { limits, allowedOrigins } = tenant;
      return { verdict: { $case: 'verified', value: { claims, limits, allowedOrigins } } };
    });
    return { verdicts };
  };
};
