/** Bounds that are the same in every installation, each with its unit. */

/** Size of the parts of an upload, in bytes; the last one is what is left. */
export const partBytes = 8 * 1024 * 1024;
/** How long an address for a part is good, in milliseconds. */
export const partUrlMs = 15 * 60_000;
/** How long an address of a rendition is good, in milliseconds. */
export const renditionUrlMs = 5 * 60_000;
/** How long after its first frame an upload may be completed, in milliseconds; then it is dropped. */
export const uploadLifeMs = 24 * 3_600_000;
/** Uploads and processing a user may have under way at a time. */
export const maxOpenUploads = 100;

/** How old a count of what a tenant holds may be, in milliseconds. */
export const meterMs = 10_000;
/** Tenants whose counts are kept; the oldest is counted again. */
export const maxMeteredTenants = 10_000;

/** How long CompleteUpload waits for the processing before it answers PROCESSING, in milliseconds. */
export const completeWaitMs = 2_000;
/** Media that may wait to be processed; more are refused with OVERLOADED. */
export const maxWaitingJobs = 1_000;
/** How long a job belongs to the process that took it, in milliseconds; then another one, or a later start, takes it. */
export const jobLeaseMs = 2 * 60_000;
/** When a job is begun again that could not be done for what was away, in milliseconds. */
export const jobRetryMs = 5_000;
/** Times a job is begun before its media is refused: what ends the process each time must not do so for ever. */
export const maxJobAttempts = 5;
/** How often what is due is looked for, in milliseconds. */
export const duePollMs = 1_000;
/** Records looked at at once. */
export const duePage = 50;
/** How long after an upload's end its parts are swept once more, in milliseconds: one that was under way comes to its end first. */
export const sweepAfterMs = 5 * 60_000;

/** How long the examination of one file may take, in milliseconds. */
export const maxExamineMs = 60_000;
/** Memory a process that examines may hold, in bytes of resident set. */
export const maxExaminerBytes = 768 * 1024 * 1024;
/** How long a process that examines is kept without work, in milliseconds. */
export const examinerIdleMs = 30_000;
/** Pixels of a picture, all its frames together. */
export const maxPixels = 50_000_000;

/** How long the malware scanner may be silent, in milliseconds. */
export const maxScanSilenceMs = 60_000;
/** Longest answer of the malware scanner, in bytes. */
export const maxScanReplyBytes = 4_096;
/** How long what it has found something in is kept apart, sealed, in milliseconds; then it is deleted. */
export const quarantineMs = 30 * 24 * 3_600_000;

/** Parts that arrive at the same time; more are refused with OVERLOADED. */
export const maxPartsInFlight = 64;
/** Greatest request line and headers together, in bytes. */
export const maxHeaderBytes = 8 * 1024;
/** Longest time for a request's headers to arrive, in milliseconds. */
export const headersTimeoutMs = 10_000;
/** Longest time for a whole part to arrive, in milliseconds. */
export const requestTimeoutMs = 120_000;
/** How long an idle connection is kept, in milliseconds. */
export const keepAliveTimeoutMs = 65_000;
/** How long a connection in use may be silent in both directions, in milliseconds. */
export const socketTimeoutMs = 30_000;
/** Open connections; more are closed at once. */
export const maxConnections = 2_000;
/** Open connections of one address, where no proxy stands in front; more are cut off. */
export const maxConnectionsPerAddress = 500;

/** Media that one list of a user's has at most. */
export const listPage = 100;
/** Media that one call deletes at most. */
export const deletePage = 500;
/** Bytes of one piece of ReadMedia. */
export const readChunkBytes = 64 * 1024;
