/** The thread that reads: in WAL mode a reader never waits for the writer, nor for its fsync. */

export { openReadHandlers as open } from './read-handlers.ts';
export { migrations } from './schema.ts';
