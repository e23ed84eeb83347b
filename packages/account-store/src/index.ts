export * from './port.ts';
export { openSqliteAccountStore, userIdOf } from './sqlite-account-store.ts';
