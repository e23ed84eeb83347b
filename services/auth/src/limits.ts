/** Bounds that are the same in every installation, each with its unit. */

/** How old an answer about a session may be on an instance that did not end it, in milliseconds. */
export const sessionFreshMs = 1_500;
/** Sessions whose state is remembered. */
export const maxRememberedSessions = 100_000;
/** How old a tenant's limits may be, in milliseconds. */
export const tenantFreshMs = 2_000;
/** Tenants that are remembered. */
export const maxRememberedTenants = 10_000;
/** Access tokens whose signature need not be checked again. */
export const maxRememberedTokens = 50_000;
/** How long a checked signature is remembered, in milliseconds. */
export const tokenRememberedMs = 60_000;
/** How long tokens are checked before other work gets its turn, in milliseconds. */
export const maxTurnMs = 3;

/** How often sessions that other instances ended are looked for, in milliseconds. */
export const revocationPollMs = 500;
/**
 * How far back each look reaches, in milliseconds: an end is dated by another clock and may be committed late, but not
 * later than the store's command timeout (10 s) and a skew of 5 s.
 */
export const revocationOverlapMs = 15_000;
/** Ended sessions read at once. */
export const revocationPage = 1_000;
/** Ended sessions remembered so that each is told once; past it, some are told again, which is harmless. */
export const maxToldRevocations = 100_000;
/** How often a watcher hears that there is nothing new, in milliseconds. */
export const signOfLifeMs = 1_000;
/** Without a look at the store for this long, in milliseconds, watchers hear that we would not know of ends elsewhere. */
export const maxBlindMs = 3_000;
/** Ended sessions that may wait for one slow watcher; then its stream ends with SLOW_CONSUMER. */
export const maxWaitingRevocations = 10_000;
/** Watchers at a time. */
export const maxWatchers = 1_000;

/** How often old sessions are removed, in milliseconds. */
export const purgeEveryMs = 60_000;
/** Old sessions removed at once. */
export const purgePage = 1_000;
/** Sessions of an answer about a user's data. */
export const sessionDataPage = 500;
