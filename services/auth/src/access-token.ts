import { type KeyObject, sign, verify } from 'node:crypto';
import type { Reason } from '@caas/kit';

/** Who access tokens are for. */
export const audience = 'caas';

/** What an access token says. Times in UTC milliseconds; on the wire they are seconds, so they are whole ones. */
export interface AccessClaims {
  tenantId: string;
  appId: string;
  userId: string;
  sessionId: string;
  scopes: string[];
  issuedAtMs: number;
  expiresAtMs: number;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JWT (RFC 7519) signed with EdDSA over Ed25519 (RFC 8037). */
export const signAccessToken = (
  claims: AccessClaims,
  by: { issuer: string; keyId: string; privateKey: KeyObject; tokenId: string },
): string => {
  const payload = {
    iss: by.issuer,
    aud: audience,
    sub: claims.userId,
    tid: claims.tenantId,
    aid: claims.appId,
    sid: claims.sessionId,
    scope: claims.scopes.join(' '),
    iat: claims.issuedAtMs / 1000,
    exp: claims.expiresAtMs / 1000,
    jti: by.tokenId,
  };
  const signed = `${encode({ alg: 'EdDSA', typ: 'JWT', kid: by.keyId })}.${encode(payload)}`;
  return `${signed}.${sign(null, Buffer.from(signed), by.privateKey).toString('base64url')}`;
};

export interface VerifyRules {
  issuer: string;
  nowMs: number;
  /** How far in the future a token may have been issued by a clock that runs ahead, in milliseconds. */
  clockSkewMs: number;
  /** Public key of a key id; undefined when there is none. */
  keyOf(keyId: string): KeyObject | undefined;
}

export type AccessVerdict = { ok: true; claims: AccessClaims } | { ok: false; reason: Reason };

const refused = (reason: Reason): AccessVerdict => ({ ok: false, reason });

const decode = (part: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
};

/** Key id in the header, when the header is one we would have written. */
export const keyIdOf = (token: string): string | undefined => {
  const header = decode(token.slice(0, Math.max(token.indexOf('.'), 0)));
  // The algorithm is ours to choose, never the token's: only EdDSA, no extensions we don't know (RFC 8725).
  const ours = header && header['alg'] === 'EdDSA' && header['crit'] === undefined;
  return ours && typeof header['kid'] === 'string' ? header['kid'] : undefined;
};

const text = (value: unknown): value is string => typeof value === 'string' && value.length > 0;

/** Signature first: nothing a token says is looked at before we know that we said it. */
export const verifyAccessToken = (token: string, rules: VerifyRules): AccessVerdict => {
  const parts = token.split('.');
  const keyId = keyIdOf(token);
  const key = keyId === undefined ? undefined : rules.keyOf(keyId);
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || !key || !header || !payload || !signature) return refused('UNAUTHENTICATED');
  const bytes = Buffer.from(signature, 'base64url');
  // One signature has one form: the decoder passes over padding, the other alphabet and bits beyond the last byte.
  if (bytes.toString('base64url') !== signature) return refused('UNAUTHENTICATED');
  if (bytes.length !== 64 || !verify(null, Buffer.from(`${header}.${payload}`), key, bytes)) {
    return refused('UNAUTHENTICATED');
  }
  const c = decode(payload);
  if (c?.['iss'] !== rules.issuer || c['aud'] !== audience) return refused('UNAUTHENTICATED');
  const { sub, tid, aid, sid, scope, iat, exp } = c;
  if (!text(sub) || !text(tid) || !text(aid) || !text(sid) || typeof scope !== 'string') {
    return refused('UNAUTHENTICATED');
  }
  if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) return refused('UNAUTHENTICATED');
  const [issuedAtMs, expiresAtMs] = [(iat as number) * 1000, (exp as number) * 1000];
  if (issuedAtMs > rules.nowMs + rules.clockSkewMs) return refused('UNAUTHENTICATED');
  if (expiresAtMs <= rules.nowMs) return refused('TOKEN_EXPIRED');
  const scopes = scope.split(' ').filter(Boolean);
  return {
    ok: true,
    claims: { tenantId: tid, appId: aid, userId: sub, sessionId: sid, scopes, issuedAtMs, expiresAtMs },
  };
};
