/** Bounds of who judges by policies it follows, each with its unit. */

/** Tenants followed at a time; the one that was judged by longest ago goes first, and is followed again when it is needed. */
export const maxFollowedTenants = 10_000;
/** Memory of all policies that are held, in bytes; one more than that gets no verdict. */
export const maxHeldBytes = 512 * 1024 * 1024;
/** How long the first word on a tenant may take, in milliseconds; then there is no verdict. */
export const defaultFirstWordMs = 2_000;
/** How long a policy is good without a word from compliance, in milliseconds: it sends one every second. */
export const defaultHoldMs = 15_000;
/** Silence after which the stream counts as dead and is opened anew, in milliseconds. */
export const maxSilenceMs = 5_000;
/** Silence after which the store is asked in its place, and how often then, in milliseconds. */
export const quietMs = 1_500;
export const readStoreMs = 500;
/** Wait before the stream is opened anew, in milliseconds. */
export const reopenMs = 300;
/** Tenants named in one request. */
export const maxTenantsPerRequest = 1_000;
/** Contents under review at a time; of one more there is no verdict. */
export const maxReviews = 1_000;
/** Contents and their bytes sent to review at once. */
export const maxReviewBatch = 200;
export const maxReviewBatchBytes = 1024 * 1024;
/** How long a review may take, in milliseconds. */
export const defaultReviewMs = 2_000;
