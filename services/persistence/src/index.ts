export { createPersistence, type Persistence, type PersistenceParts, persistenceGroup } from './app.ts';
export { type PersistenceConfig, persistenceConfig } from './config.ts';
export { retryParked } from './retry-parked.ts';
export { type ServedPersistence, servePersistence } from './serve.ts';
export type { PersistenceStats } from './stats.ts';
