/** The event log on Kafka; `@caas/event-log/kafka`. Apart, because loading its client takes time that embedded starts don't have. */
export { type KafkaOptions, kafkaOptions, kafkaSettings, partitionsOf, topicsConfig } from '../config.ts';
export {
  defaultAppendTimeoutMs,
  defaultConsumerTimes,
  type KafkaEventLog,
  type KafkaEventLogOptions,
  openKafkaEventLog,
} from '../kafka-event-log.ts';
export { checkTopics, growTopicTo, type TopicsOptions } from '../manage-topics.ts';
export type { KafkaConnection } from './connection.ts';
export type { ConsumerTimes } from './consumer.ts';
export type { Durability } from './topics-admin.ts';
