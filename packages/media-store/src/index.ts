export * from './port.ts';
export { openSqliteMediaStore } from './sqlite-media-store.ts';
