export { openMongoAuditStore } from '../mongo-audit-store.ts';
export { mongoAuditIndexes } from './schema.ts';
