export * from './port.ts';
export { openSqliteAuditStore } from './sqlite-audit-store.ts';
