/** The privacy store on MongoDB; `@caas/privacy-store/mongo`. Apart, because loading its driver takes time that embedded starts don't have. */
export { openMongoPrivacyStore } from '../mongo-privacy-store.ts';
export { mongoPrivacyIndexes } from './schema.ts';
