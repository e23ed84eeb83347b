export * from './port.ts';
export { openSqlitePrivacyStore } from './sqlite-privacy-store.ts';
