/** Bounds that are the same in every installation, each with its unit. */

/** How long a tenant's key is held unwrapped, in milliseconds: so long after a rotation elsewhere new keys are wrapped by it. */
export const tenantKeyHoldMs = 60_000;
/** Tenants whose keys are held. */
export const maxHeldTenants = 10_000;
/** Attempts at a change that others make at the same time; each that fails, another's has succeeded. */
export const maxAttempts = 10;

/** How often keys that other processes destroyed are looked for, in milliseconds. */
export const destroyedPollMs = 500;
/**
 * How far back each look reaches, in milliseconds: a destruction is dated by another clock and may be committed late, but not
 * later than the store's command timeout (10 s) and a skew of 5 s.
 */
export const destroyedOverlapMs = 15_000;
/** Users whose destroyed keys are read at once; also what a watcher is told at once, in keys. */
export const destroyedPage = 500;
/** Without a look at the store for this long, in milliseconds, watchers hear no sign of life: we would not know. */
export const maxBlindMs = 3_000;
/** Destroyed keys that may wait for one slow watcher; then its stream ends with SLOW_CONSUMER. */
export const maxWaitingDestroyed = 100_000;
/** Watchers at a time. */
export const maxWatchers = 1_000;
/** Users whose keys are wrapped anew before other work gets its turn. */
export const rewrapPage = 100;
