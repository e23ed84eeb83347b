/** The message store on MongoDB; `@caas/message-store/mongo`. Apart, because loading its driver takes time that embedded starts don't have. */
export { openMongoMessageStore } from '../mongo-message-store.ts';
export { mongoMessageIndexes } from './schema.ts';
