export { type KafkaOptions, kafkaOptions, kafkaSettings, partitionsOf, topicsConfig } from './config.ts';
export * from './dead-letters.ts';
export * from './events.ts';
export { murmur2, partitionAmong, partitionOf } from './partition.ts';
export type * from './port.ts';
export { maxGenerations, offsetsPerGeneration, positionOf } from './position.ts';
export { maxMetaLength, maxValueBytes } from './record-codec.ts';
export {
  defaultCloseGraceMs,
  defaultTailBytes,
  type LogFault,
  openSqliteEventLog,
  type SqliteEventLog,
  type SqliteEventLogOptions,
} from './sqlite-event-log.ts';
export * from './topics.ts';
