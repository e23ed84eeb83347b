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
/** Greatest encoded policy, in bytes. */
export const maxPolicyBytes = 2 * 1024 * 1024;
/** Tenants a stream of policies follows. */
export const maxTenantsPerStream = 100_000;
/** How often the store is asked for what others have put, and each stream gets a word, in milliseconds. */
export const policyWordMs = 1_000;
/** Policies read at once for a stream, and bytes of them sent at once; a single one may be more. */
export const maxPoliciesAtOnce = 16;
export const maxPolicyWordBytes = 1024 * 1024;
/** Memory of compiled policies kept for reviews, in bytes. */
export const maxReviewerBytes = 256 * 1024 * 1024;
/** Contents a tenant's moderators have to decide at a time. */
export const maxHeldContents = 10_000;
/** Held contents of a page that names no number. */
export const defaultHeldLimit = 20;
