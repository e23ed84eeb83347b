export * from './digest.ts';
export { mongoMessageIndexes } from './mongo/schema.ts';
export { openMongoMessageStore } from './mongo-message-store.ts';
export * from './port.ts';
export { openSqliteMessageStore, type SqliteMessageStoreOptions } from './sqlite-message-store.ts';
