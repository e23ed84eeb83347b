import { conversationTopics, partitionName, shardCount, topics } from '@caas/event-log';
import type { PrivacyCore } from './core.ts';

type Parts = Pick<PrivacyCore, 'log' | 'messages' | 'grown'>;

/** By partition the workers apply, where the log ends now. */
export const logEnds = async ({ log, grown }: Parts): Promise<Record<string, number>> => {
  const partitions = topics
    .filter(({ name }) => conversationTopics.some((topic) => topic === name))
    .flatMap(({ name, partitions: count }) =>
      Array.from({ length: grown[name] ?? count }, (_, partition) => ({ topic: name, partition })),
    );
  const ends = partitions.map(
    async ({ topic, partition }) =>
      [partitionName(topic, partition), (await log.bounds(topic, partition)).next] as const,
  );
  return Object.fromEntries(await Promise.all(ends));
};

/** Whether all that the log held at those ends is in the message store, or was put aside. The store tells it a second late. */
export const isApplied = async (parts: Parts, ends: Readonly<Record<string, number>>): Promise<boolean> => {
  const shards = Array.from({ length: shardCount }, (_, shard) => parts.messages.conversations.shardPosition(shard));
  const applied: Record<string, number> = Object.assign({}, ...(await Promise.all(shards)));
  return Object.entries(ends).every(([name, end]) => (applied[name] ?? 0) >= end);
};
