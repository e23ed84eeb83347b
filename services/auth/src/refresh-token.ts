import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Session } from '@caas/account-store';

/** What a refresh token names: its family, which is the session, and its place in it. */
export interface RefreshName {
  tenantId: string;
  sessionId: string;
  /** 1 for the token the session began with, then 2, 3 … */
  generation: number;
}

const pattern = /^([a-z0-9-]{1,64})\.([0-9a-f-]{36})\.([1-9]\d{0,8})\.([\w-]{43})$/;

/**
 * Refresh tokens, `tenant.session.generation.proof`, the proof being an HMAC-SHA256 over the rest. So nothing of a token
 * is stored, not even its hash; a token that was made up is told from one that was used before, and can't be used to end
 * someone's session; and the successor of a token is always the same one, so repeating a lost answer needs no memory.
 */
export class RefreshTokens {
  readonly #key: Uint8Array;

  /** `key`: 32 bytes shared by all instances. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  make({ tenantId, sessionId, generation }: RefreshName): string {
    const name = `${tenantId}.${sessionId}.${generation}`;
    return `${name}.${this.#proof(name).toString('base64url')}`;
  }

  /** What the token names; undefined when we did not make it. */
  read(token: string): RefreshName | undefined {
    const [, tenantId, sessionId, generation, proof] = pattern.exec(token) ?? [];
    if (!tenantId || !sessionId || !generation || !proof) return undefined;
    // Compared as written: a proof has one form.
    const expected = Buffer.from(this.#proof(`${tenantId}.${sessionId}.${generation}`).toString('base64url'));
    const given = Buffer.from(proof);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    return { tenantId, sessionId, generation: Number(generation) };
  }

  #proof(name: string): Buffer {
    return createHmac('sha256', this.#key).update(name).digest();
  }
}

export type RefreshVerdict =
  /** The newest token of a live session: the next one may be made. */
  | 'ROTATE'
  /** The token before the newest, within the grace: the client lost our answer, and gets it again. */
  | 'REPEAT'
  /** A spent token: somebody has a copy. */
  | 'REUSED'
  | 'ENDED'
  | 'EXPIRED'
  /** A session or generation that the store does not know, as after a restored backup. */
  | 'UNKNOWN';

/** What to do about an authentic refresh token, given its session as stored. */
export const judgeRefresh = (
  session: Session | undefined,
  generation: number,
  rules: { nowMs: number; refreshGraceMs: number },
): RefreshVerdict => {
  if (!session || generation > session.generation) return 'UNKNOWN';
  if (session.endedAtMs !== undefined) return 'ENDED';
  if (session.expiresAtMs <= rules.nowMs) return 'EXPIRED';
  if (generation === session.generation) return 'ROTATE';
  const sinceMs = rules.nowMs - session.refreshedAtMs;
  const repeat = generation === session.generation - 1 && sinceMs < rules.refreshGraceMs;
  return repeat ? 'REPEAT' : 'REUSED';
};
