/** Bounds that are the same in every installation, each with its unit. */

/** Events appended to a tree at once: their hashing stays below 5 ms. */
export const maxEventsPerAppend = 250;
/** Records of audit.log a batch may hold. */
export const maxBatchRecords = 1_000;
/** Tenants whose trees are written to at a time, a shard. */
export const maxTreesAtOnce = 16;
/** Tenants whose tree's end is kept in memory. */
export const maxRememberedTrees = 10_000;
/** Attempts at a tree that others let grow; then the batch comes again. */
export const maxAppendRounds = 5;
/** Entries read at once for an export. */
export const exportPage = 500;
/** Entries of an answer to a query that names no number. */
export const defaultQueryLimit = 100;
/** How long batches may fail, again and again, before the service counts as not ready, in milliseconds. */
export const maxFailingMs = 30_000;
