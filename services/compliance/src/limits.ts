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
/** How often due jobs of privacy are looked for, in milliseconds. */
export const jobPollMs = 500;
/** Jobs that are worked on at a time. */
export const maxJobsAtOnce = 4;
/** How long a job goes on before others that are due have a turn, in milliseconds. */
export const jobTurnMs = 5_000;
/** How long a step's holder may take before another one goes on, in milliseconds. */
export const leaseMs = 20_000;
/** The same for a step that another service may take its whole deadline for, in milliseconds. */
export const longLeaseMs = 660_000;
/** How long a job waits after a fault that may pass, in milliseconds. */
export const jobRetryMs = 2_000;
/** How long a step that goes through messages works before it is kept how far it is, in milliseconds. */
export const stretchMs = 1_000;
/** How often it is looked whether the store has what the log holds, in milliseconds. */
export const settlePollMs = 250;
/** How often an erasure looks whether an operator has sent again what is parked, in milliseconds. */
export const parkedPollMs = 5_000;
/** Messages read at once by a job. */
export const scanPage = 500;
/** Bytes of messages read at once by a job. */
export const scanBytes = 4 * 1_024 * 1_024;
/** Records appended at once by a job. */
export const maxAppended = 500;
/** Messages read at once for an export: opening them keeps the event loop below 5 ms. */
export const exportMessages = 100;
/** Size a file of lines of an export is ended at, in bytes. */
export const exportFileBytes = 1_024 * 1_024;
/** Files a manifest names itself; more are named in parts of it. */
export const maxManifestFiles = 10_000;
/** Size of a piece of an export, in bytes. */
export const exportChunkBytes = 64 * 1_024;
/** How often an export keeps how far it is, in milliseconds. */
export const exportProgressMs = 1_000;
/** How long a hold waits for a step of a sweep that may not have seen it, and how often it looks, in milliseconds. */
export const sweepWaitMs = 8_000;
export const sweepWaitPollMs = 50;
/** Jobs of an answer. */
export const jobsPage = 100;
/** Rules of an answer. */
export const rulesPage = 500;
/** How often it is looked whether a sweep is due, in milliseconds. */
export const sweepCheckMs = 60_000;
