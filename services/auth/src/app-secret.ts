import { timingSafeEqual } from 'node:crypto';
import { type App, type AppSecret, maxAppSecrets } from '@caas/account-store';
import { newSecret, sha256 } from '@caas/kit';

/** Stands in for a secret that is not there; no secret has this hash. */
const noSecret: AppSecret = { hash: sha256('no secret'), createdAtMs: 0, expiresAtMs: 0 };

/**
 * A new secret and what to store of it. SHA-256 and not argon2id: a slow hash makes guessing of passwords chosen by people
 * dear; these are 32 random bytes, which nobody guesses at any speed, and a slow hash here would only let strangers spend
 * our CPU.
 */
export const newAppSecret = (nowMs: number, secret = newSecret()): { secret: string; stored: AppSecret } => ({
  secret,
  stored: { hash: sha256(secret), createdAtMs: nowMs },
});

/**
 * Whether the secret is a valid one of the app. The same work is done for an app that does not exist, with one secret or
 * with two, so neither the answer nor its time says which app ids exist.
 */
export const isSecretOf = (app: App | undefined, secret: string, nowMs: number): boolean => {
  const given = Buffer.from(sha256(secret));
  let valid = false;
  for (let i = 0; i < maxAppSecrets; i++) {
    const stored = app?.secrets[i] ?? noSecret;
    const same = timingSafeEqual(given, Buffer.from(stored.hash));
    const inTime = nowMs < (stored.expiresAtMs ?? Number.POSITIVE_INFINITY);
    valid = (same && inTime) || valid;
  }
  return valid;
};

/** The secrets after a rotation: the new one, and the newest old one until the overlap is over. */
export const rotatedSecrets = (
  secrets: readonly AppSecret[],
  next: AppSecret,
  rules: { nowMs: number; overlapMs: number },
): AppSecret[] => {
  const [newest] = secrets;
  if (!newest || rules.overlapMs <= 0) return [next];
  const untilMs = rules.nowMs + rules.overlapMs;
  return [next, { ...newest, expiresAtMs: Math.min(newest.expiresAtMs ?? untilMs, untilMs) }];
};
