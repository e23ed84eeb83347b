/** Messages read of a conversation at once. */
export const changesPerRead = 500;
/** Bytes of messages read at once, as the store has them. */
export const bytesPerRead = 4 * 1024 * 1024;
/** Reads of one conversation before others have their turn; what is left waits with those whose commit is awaited. */
export const readsPerTurn = 4;
/** Conversations that are read at the same time. */
export const conversationsAtOnce = 16;
/** Conversations of a shard that may wait for a commit; then the log is held up until some are done. */
export const maxWaiting = 3_000;
/** How often those are looked at again, in milliseconds: while the first of them is young; later, and more for each. */
export const waitingPollMs = { young: 20, old: 100, each: 0.3 };
/** Until when they are young, in milliseconds. */
export const youngForMs = 2_000;
/** How long an event of a conversation that does not exist is kept, in milliseconds. */
export const nowhereForMs = 600_000;
/** Conversations listed at once where all are gone through. */
export const conversationsPerPage = 100;
/** How long going through all waits for the workers to have applied what the log has, in milliseconds. */
export const appliedWaitMs = 30_000;
/** Rounds in which a search makes up for hits that the store does not confirm. */
export const maxRounds = 10;
/** Hits of a search that names no number. */
export const defaultHits = 20;
/** How long work on texts may hold the event loop before others have a turn, in milliseconds. */
export const maxTurnMs = 4;
/** Records a batch of the log may hold. */
export const maxBatchRecords = 1_000;
/** How long notices of commits that follow a batch wait for more of them, in milliseconds; edits and deletions don't wait. */
export const gatherMs = 50;
/** How often the gRPC health is brought in step, in milliseconds. */
export const healthMs = 500;
/** Wait before crypto's word on destroyed keys is followed anew, in milliseconds. */
export const rewatchMs = 500;
/** How long what is to be indexed waits for crypto's first word, in milliseconds; then it comes again. */
export const followWaitMs = 3_000;
/** How long crypto may say nothing before it is asked anew, in milliseconds: a few times as long as it ever does. */
export const unheardMs = 120_000;
/** Erased users that are remembered, for what of theirs was on its way into the index; the first are forgotten. */
export const maxRememberedErased = 100_000;
/** Steps in which it is told how far the index is behind, in milliseconds. */
export const lagStepMs = 100;
