import { CaasError } from '@caas/kit';
import { allTopics } from './topics.ts';

/**
 * murmur2 of the key's UTF-8 bytes, 32 bits, as Kafka's default partitioner computes it (org.apache.kafka.common.utils
 * .Utils.murmur2), so that every engine puts a key into the same partition.
 */
export const murmur2 = (key: string): number => {
  // Ids are ASCII, whose characters are its bytes; only other keys pay for the encoding.
  for (let i = 0; i < key.length; i += 1)
    if (key.charCodeAt(i) > 0x7f) return murmur2OfBytes(Buffer.from(key, 'utf8').toString('latin1'));
  return murmur2OfBytes(key);
};

const multiplier = 0x5bd1e995;
const seed = 0x9747b28c;

/** @param b one character a byte. */
const murmur2OfBytes = (b: string): number => {
  const length = b.length;
  let h = seed ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k = b.charCodeAt(i) | (b.charCodeAt(i + 1) << 8) | (b.charCodeAt(i + 2) << 16) | (b.charCodeAt(i + 3) << 24);
    k = Math.imul(k, multiplier);
    k ^= k >>> 24;
    h = Math.imul(h, multiplier) ^ Math.imul(k, multiplier);
  }
  const rest = length - i;
  if (rest === 3) h ^= b.charCodeAt(i + 2) << 16;
  if (rest >= 2) h ^= b.charCodeAt(i + 1) << 8;
  if (rest >= 1) h = Math.imul(h ^ b.charCodeAt(i), multiplier);
  h = Math.imul(h ^ (h >>> 13), multiplier);
  return h ^ (h >>> 15);
};

/** Partition of a key among `partitions`. For counts that S divides, equal keys agree modulo S, since (h mod P) mod S = h mod S. */
export const partitionAmong = (partitions: number, key: string): number => (murmur2(key) & 0x7fffffff) % partitions;

const partitionCounts = new Map(allTopics.map((topic) => [topic.name, topic.partitions]));

/** Partition of a key in a topic of the table; INVALID_ARGUMENT for a topic that is not in it. */
export const partitionOf = (topic: string, key: string): number => {
  const partitions = partitionCounts.get(topic);
  if (partitions === undefined) throw new CaasError('INVALID_ARGUMENT', 'unknown topic', { details: { topic } });
  return partitionAmong(partitions, key);
};
