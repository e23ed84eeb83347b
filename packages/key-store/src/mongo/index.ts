/** The key store on MongoDB; `@caas/key-store/mongo`. Apart, because loading its driver takes time that embedded starts don't have. */
export { openMongoKeyStore } from '../mongo-key-store.ts';
export { mongoKeyIndexes } from './schema.ts';
