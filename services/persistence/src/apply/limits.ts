import { tenantLimitCeilings } from '@caas/kit';

/** Nodes refuse at them, so only a race is dropped here. */
export { maxPins, maxReactionUsers } from '@caas/kit';

/** Kinds of reaction on one message; a further kind is dropped. No tenant is promised more. */
export const maxReactionKinds = tenantLimitCeilings.maxReactionKinds;
/** Earlier contents kept of one message; the oldest goes first. */
export const maxEditsKept = 50;
/** Participants looked at together when the last owner leaves, in the order of their ids; more, if none of them is a member. */
export const maxSuccessorsConsidered = 1_000;
