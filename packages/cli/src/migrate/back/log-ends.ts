import { conversationTopics, type EventLog, partitionName, shardCount, topics } from '@caas/event-log';
import type { MessageStore } from '@caas/message-store';

/** A partition the workers apply. */
export interface Partition {
  topic: string;
  partition: number;
  name: string;
}

/** Every partition the workers apply; `grown`: of topics that have more than the table says. */
export const partitionsToFollow = (grown: Readonly<Record<string, number>>): Partition[] =>
  topics
    .filter(({ name }) => conversationTopics.some((topic) => topic === name))
    .flatMap(({ name: topic, partitions }) =>
      Array.from({ length: grown[topic] ?? partitions }, (_, partition) => ({
        topic,
        partition,
        name: partitionName(topic, partition),
      })),
    );

/** By partition, where the log ends now. */
export const logEnds = async (log: EventLog, partitions: readonly Partition[]): Promise<Record<string, number>> => {
  const ends = partitions.map(async ({ topic, partition, name }) => [name, (await log.bounds(topic, partition)).next]);
  return Object.fromEntries(await Promise.all(ends));
};

/** By partition, up to where the workers have committed, or put aside, what the log holds; kept a second late. */
export const committedEnds = async ({ conversations }: MessageStore): Promise<Record<string, number>> => {
  const shards = Array.from({ length: shardCount }, (_, shard) => conversations.shardPosition(shard));
  return Object.assign({}, ...(await Promise.all(shards)));
};
