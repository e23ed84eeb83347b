export { openMongoPolicyStore } from '../mongo-policy-store.ts';
export { mongoPolicyIndexes } from './schema.ts';
