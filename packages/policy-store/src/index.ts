export * from './port.ts';
export { openSqlitePolicyStore } from './sqlite-policy-store.ts';
