export { emptyRedis } from './empty-redis.ts';
export type { EngineUser, KafkaLink } from './engine.ts';
export type { EngineProcess } from './engine-process.ts';
export { type ClusterOptions, type KafkaCluster, startKafkaCluster } from './kafka-cluster.ts';
export { freePorts } from './port-check.ts';
export { type ServiceOptions, type Services, startServices } from './services.ts';
export { type EngineName, type EngineOptions, type Engines, engineNames, startEngines } from './start-engines.ts';
