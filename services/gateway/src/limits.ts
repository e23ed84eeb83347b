/** Bounds that are the same in every installation, each with its unit. */

/** Greatest request body, in bytes. */
export const maxBodyBytes = 64 * 1024;
/** Greatest request body of an address that is past a limit, in bytes: no valid one needs more. */
export const maxSuspectBodyBytes = 4 * 1024;
/** Apps remembered as having proved their secret. */
export const maxProvenApps = 10_000;
/** How long they are, in milliseconds. */
export const provenForMs = 24 * 60 * 60_000;
/** Greatest number of fields of a request body. */
export const maxBodyFields = 32;
/** Greatest request line and headers together, in bytes. */
export const maxHeaderBytes = 16 * 1024;
/** Longest time for a request's headers to arrive, in milliseconds. */
export const headersTimeoutMs = 10_000;
/** Longest time for a whole request to arrive, in milliseconds. */
export const requestTimeoutMs = 15_000;
/** How long an idle connection is kept, in milliseconds; longer than load balancers in front usually do. */
export const keepAliveTimeoutMs = 65_000;
/** Open connections; more are closed at once. */
export const maxConnections = 20_000;
/** Open connections of one address, idle ones included, with no proxy in front; more are cut off. */
export const maxConnectionsPerAddress = 2_000;
/** How long readiness waits for auth, in milliseconds. */
export const readyTimeoutMs = 1_000;
/** How long an answer of /health/ready and the key set are used again, in milliseconds. */
export const probeFreshMs = 1_000;
/** How long others may keep the key set, in seconds. */
export const jwksMaxAgeSeconds = 60;
