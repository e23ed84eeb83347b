export { userIdOf } from './limits.ts';
export * from './port.ts';
export { openSqliteAccountStore } from './sqlite-account-store.ts';
