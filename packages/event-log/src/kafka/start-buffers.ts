import type { GroupMember } from './group-member.ts';
import { type KafkaTopic, logicalOffset } from './layout.ts';
import type { KafkaLink } from './link.ts';
import { listOffsets, nameOf, type TopicPartition } from './offsets.ts';
import { PartitionBuffer } from './partition-buffer.ts';
import { KafkaReader } from './reader.ts';

export interface StartDeps {
  member: GroupMember;
  reads: KafkaLink;
  topics: readonly KafkaTopic[];
  partitions: readonly TopicPartition[];
  /** Where a group that starts at the latest record begins; undefined: at the first that is kept. */
  ends: ReadonlyMap<string, number> | undefined;
}

/** Partitions from where their group stands; where it never was, that is committed first. */
export const startBuffers = async (deps: StartDeps): Promise<PartitionBuffer[]> => {
  const { member, reads, topics, partitions, ends } = deps;
  if (partitions.length === 0) return [];
  const committed = await member.committed(partitions);
  const missing = partitions.filter((partition) => !committed.has(nameOf(partition)));
  if (missing.length > 0) {
    const starts = ends ?? (await listOffsets(reads, missing, 'first'));
    const positions = missing.map((partition) => ({ ...partition, offset: starts.get(nameOf(partition)) as number }));
    // So that "latest" means the end at the first start, not at every start until something came.
    await member.commit(positions);
    for (const position of positions) committed.set(nameOf(position), position.offset);
  }
  const byName = new Map(topics.map((topic) => [topic.physical, topic]));
  const reader = new KafkaReader(reads);
  return Promise.all(
    partitions.map(async (at) => {
      const topic = byName.get(at.topic) as KafkaTopic;
      const next = await logicalStart(reader, topic, at.partition, committed.get(nameOf(at)) as number);
      return new PartitionBuffer(topic, at.partition, next);
    }),
  );
};

/** Kafka's offset as callers see it: by the record that is there, or as the next one will be. */
const logicalStart = async (reader: KafkaReader, topic: KafkaTopic, partition: number, physical: number) => {
  if (topic.generation === 0) return physical;
  const [record] = await reader.read(topic, partition, physical, 1);
  return record?.offset ?? logicalOffset(physical, topic.generation);
};
