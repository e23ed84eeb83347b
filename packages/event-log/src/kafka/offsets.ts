import { setTimeout as sleep } from 'node:timers/promises';
import { Code, check, KafkaFault } from './codes.ts';
import type { KafkaLink } from './link.ts';

export interface TopicPartition {
  /** Name in the cluster. */
  topic: string;
  partition: number;
}

const timestamps = { first: -2, next: -1 } as const;

export const nameOf = ({ topic, partition }: TopicPartition): string => `${topic} ${partition}`;

/** As requests name partitions: by topic. */
export const byTopic = <P extends TopicPartition, T>(
  partitions: readonly P[],
  each: (partition: P) => T,
): { topic: string; partitions: T[] }[] =>
  [...Map.groupBy(partitions, (p) => p.topic)].map(([topic, parts]) => ({ topic, partitions: parts.map(each) }));

/** How long a leader that moves is waited for, in milliseconds, and how often it is looked for. */
const leaderWait = { ms: 2_000, everyMs: 50 } as const;

/** Does what needs the partitions' leaders; when they moved, learns them anew and tries again. */
export const withLeaders = async <T>(link: KafkaLink, work: () => Promise<T>): Promise<T> => {
  const deadlineMs = performance.now() + leaderWait.ms;
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      if (performance.now() > deadlineMs) throw thrown;
      await sleep(leaderWait.everyMs);
      await link.refresh();
    }
  }
};

/** First kept or next free offset of partitions, by `nameOf`. */
export const listOffsets = (
  link: KafkaLink,
  partitions: readonly TopicPartition[],
  which: keyof typeof timestamps,
): Promise<Map<string, number>> => withLeaders(link, () => listOnce(link, partitions, which));

/**
 * Next free offsets of the partitions that have a leader, by `nameOf`. Of the others nobody can read anything, however often
 * they ask anew; that is the cluster's fault, and no reason to say so of who reads.
 */
export const knownEnds = async (
  link: KafkaLink,
  partitions: readonly TopicPartition[],
): Promise<Map<string, number>> => {
  await link.refresh();
  const led = partitions.filter(({ topic, partition }) => link.leader(topic, partition) !== undefined);
  return listOffsets(link, led, 'next');
};

const listOnce = async (link: KafkaLink, partitions: readonly TopicPartition[], which: keyof typeof timestamps) => {
  const offsets = new Map<string, number>();
  const byLeader = Map.groupBy(partitions, ({ topic, partition }) => link.leader(topic, partition));
  await Promise.all(
    [...byLeader].map(async ([node, parts]) => {
      if (node === undefined) throw new KafkaFault(Code.leaderNotAvailable, 'list offsets');
      const topics = byTopic(parts, ({ partition }) => ({ partition, timestamp: timestamps[which] }));
      const { responses } = await link.call(node, 'ListOffsets', { isolationLevel: 0, topics });
      for (const { topic, partitions: found } of responses)
        for (const { partition, errorCode, offset, offsets: several } of found) {
          check(errorCode, 'list offsets');
          offsets.set(nameOf({ topic, partition }), Number(offset ?? several?.[0]));
        }
    }),
  );
  return offsets;
};
