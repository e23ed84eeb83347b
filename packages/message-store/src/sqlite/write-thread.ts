/** The thread that writes. */
export { migrations } from './schema.ts';
export { openWriteHandlers as open } from './write-handlers.ts';
