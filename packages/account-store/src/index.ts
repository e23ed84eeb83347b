export { userIdOf } from './limits.ts';
export { mongoAccountIndexes } from './mongo/schema.ts';
export { openMongoAccountStore } from './mongo-account-store.ts';
export * from './port.ts';
export { openSqliteAccountStore } from './sqlite-account-store.ts';
