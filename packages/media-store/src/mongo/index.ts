/** The media store on MongoDB; `@caas/media-store/mongo`. Apart, because loading its driver takes time that embedded starts don't have. */
export { openMongoMediaStore } from '../mongo-media-store.ts';
export { mongoMediaIndexes } from './schema.ts';
