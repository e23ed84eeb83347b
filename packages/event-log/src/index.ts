export { type KafkaOptions, kafkaOptions, kafkaSettings, partitionsOf, topicsConfig } from './config.ts';
export type { KafkaConnection } from './kafka/connection.ts';
export type { ConsumerTimes } from './kafka/consumer.ts';
export type { Durability } from './kafka/topics-admin.ts';
export {
  defaultAppendTimeoutMs,
  defaultConsumerTimes,
  type KafkaEventLog,
  type KafkaEventLogOptions,
  openKafkaEventLog,
} from './kafka-event-log.ts';
export { checkTopics, growTopicTo, type TopicsOptions } from './manage-topics.ts';
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
