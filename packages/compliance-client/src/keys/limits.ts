/** Bounds of a key ring that no setting changes, each with its unit. */

/** Keys held at a time; the least recently fetched or opened goes first. */
export const maxHeldKeys = 100_000;
/** Destroyed keys remembered, so that an answer under way when one was destroyed does not bring it back. */
export const maxRememberedDestroyed = 100_000;
/** Ids in one call: the contract's bound. */
export const maxIdsPerCall = 500;
/** Calls under way at a time, of each kind. */
export const maxCallsInFlight = 8;
/** Ids that may wait for an answer, of each kind; more are refused with OVERLOADED. */
export const maxWaitingIds = 50_000;
/** Wait before a broken watch is begun anew, in milliseconds. */
export const rewatchMs = 500;
