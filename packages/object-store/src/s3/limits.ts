/** How long a connection may take, in milliseconds. */
export const connectMs = 1_000;
/**
 * How long a command without a body may take, its second attempt included, in milliseconds: callers who try three times have
 * their answer within a deadline of 5,000 ms.
 */
export const commandMs = 1_300;
/** How long the first command may take, in milliseconds. */
export const openMs = 5_000;
/** How long the store may leave a body alone, neither taking nor giving a byte of it, in milliseconds. */
export const stallMs = 10_000;
/** Attempts at a command; one with a body that flows has one. */
export const maxAttempts = 2;
/** Connections of a process; more commands wait for one. */
export const maxSockets = 128;
