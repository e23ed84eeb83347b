export * from './digest.ts';
export * from './documents.ts';
export * from './port.ts';
export { openSqliteMessageStore, type SqliteMessageStoreOptions } from './sqlite-message-store.ts';
