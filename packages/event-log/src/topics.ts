import type { TopicSpec } from './port.ts';

const dayMs = 24 * 60 * 60 * 1000;

/** The one table of topics; created and checked from here on every engine. Names are part of the contract. */
export const Topic = {
  messageSent: 'message.sent',
  messageEdited: 'message.edited',
  messageDeleted: 'message.deleted',
  messageDelivered: 'message.delivered',
  messageRejected: 'message.rejected',
  conversationUpdated: 'conversation.updated',
  userAction: 'user.action',
  auditLog: 'audit.log',
} as const;
export type Topic = (typeof Topic)[keyof typeof Topic];

export const topics: readonly TopicSpec[] = [
  { name: Topic.messageSent, partitions: 6, retentionMs: 7 * dayMs },
  { name: Topic.messageEdited, partitions: 3, retentionMs: 7 * dayMs },
  { name: Topic.messageDeleted, partitions: 3, retentionMs: 7 * dayMs },
  { name: Topic.messageDelivered, partitions: 6, retentionMs: dayMs },
  { name: Topic.messageRejected, partitions: 3, retentionMs: dayMs },
  { name: Topic.conversationUpdated, partitions: 3, retentionMs: 7 * dayMs },
  { name: Topic.userAction, partitions: 3, retentionMs: 7 * dayMs },
  { name: Topic.auditLog, partitions: 3, retentionMs: 30 * dayMs },
];

/** Topics the persistence workers apply; all keyed by conversation, so a conversation meets in one shard. */
export const conversationTopics: readonly Topic[] = [
  Topic.messageSent,
  Topic.messageEdited,
  Topic.messageDeleted,
  Topic.messageDelivered,
  Topic.conversationUpdated,
  Topic.userAction,
];

/** Name of a partition, as `ConversationDocument.offsets` and shard positions have it. */
export const partitionName = (topic: string, partition: number): string => `${topic}-${partition}`;

/** Whether a partition of that name is of a topic. */
export const isPartitionOf = (topic: string, name: string): boolean => name.startsWith(`${topic}-`);

/** Dead-letter topic of a topic: same key, one partition, 30 days. */
export const deadLetterTopic = (topic: string): string => `${topic}.dlq`;

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** S: the greatest common divisor of the partition counts of the conversation-keyed topics. */
export const shardCount = topics
  .filter((t) => (conversationTopics as readonly string[]).includes(t.name))
  .map((t) => t.partitions)
  .reduce(gcd);

/** The table with a dead-letter topic for each topic. */
export const withDeadLetters = (specs: readonly TopicSpec[]): readonly TopicSpec[] => [
  ...specs,
  ...specs.map((t) => ({ name: deadLetterTopic(t.name), partitions: 1, retentionMs: 30 * dayMs })),
];

/** Every topic an engine has to hold. */
export const allTopics: readonly TopicSpec[] = withDeadLetters(topics);
