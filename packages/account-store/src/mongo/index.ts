/** The account store on MongoDB; `@caas/account-store/mongo`. Apart, because loading its driver takes time that embedded starts don't have. */
export { openMongoAccountStore } from '../mongo-account-store.ts';
export { mongoAccountIndexes } from './schema.ts';
