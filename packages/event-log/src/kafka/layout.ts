import { CaasError } from '@caas/kit';
import { partitionAmong } from '../partition.ts';
import type { LogRecord, TopicName, TopicSpec } from '../port.ts';
import { offsetsPerGeneration } from '../position.ts';
import type { FetchedMessage } from './protocol.ts';

/** Record header that says the generation; absent for the first. Callers never see it. */
export const generationHeader = 'caas-generation';

/** A topic as the cluster has it. */
export interface KafkaTopic {
  /** Name that callers use. */
  name: TopicName;
  /** Name in the cluster. */
  physical: string;
  partitions: number;
  /**
   * How often the topic was grown, in multiples of its partitions in the table. An offset as callers see it is
   * generation · 2^44 + Kafka's offset, so that what a key gets after growing, perhaps on a partition whose offsets are
   * smaller, sorts after what it had. See docs/operations/growing-partitions.md.
   */
  generation: number;
  retentionMs: number;
}

/** The topics of a log by their name, for what callers ask. */
export class KafkaLayout {
  readonly all: readonly KafkaTopic[];
  readonly #byName: ReadonlyMap<TopicName, KafkaTopic>;

  /** @param grown partitions of the topics that have more than in the table. */
  constructor(specs: readonly TopicSpec[], prefix: string, grown: Readonly<Record<string, number>>) {
    this.all = specs.map(({ name, partitions: declared, retentionMs }) => {
      const partitions = grown[name] ?? declared;
      if (!Number.isInteger(partitions / declared) || partitions < declared)
        throw new CaasError('INVALID_ARGUMENT', `${name} grows in multiples of ${declared} partitions`, {
          details: { topic: name, partitions: String(partitions) },
        });
      return { name, physical: prefix + name, partitions, generation: partitions / declared - 1, retentionMs };
    });
    this.#byName = new Map(this.all.map((topic) => [topic.name, topic]));
    for (const name of Object.keys(grown)) this.of(name);
  }

  /** INVALID_ARGUMENT for a topic the log does not have. */
  of(name: TopicName): KafkaTopic {
    const topic = this.#byName.get(name);
    if (!topic) throw new CaasError('INVALID_ARGUMENT', 'unknown topic', { details: { topic: name } });
    return topic;
  }

  ofPartition(name: TopicName, partition: number): KafkaTopic {
    const topic = this.of(name);
    if (!Number.isInteger(partition) || partition < 0 || partition >= topic.partitions)
      throw new CaasError('INVALID_ARGUMENT', 'unknown partition', {
        details: { topic: name, partition: String(partition) },
      });
    return topic;
  }

  partitionOfKey(topic: KafkaTopic, key: string): number {
    return topic.partitions === 1 ? 0 : partitionAmong(topic.partitions, key);
  }
}

/** Kafka's offset of an offset that callers see. */
export const physicalOffset = (offset: number): number => offset % offsetsPerGeneration;

/** Offset that callers see. */
export const logicalOffset = (physical: number, generation: number): number =>
  generation * offsetsPerGeneration + physical;

/** A fetched record as callers get it. */
export const recordOf = (topic: TopicName, partition: number, message: FetchedMessage): LogRecord => {
  const headers: Record<string, string> = {};
  let generation = 0;
  for (const name in message.headers) {
    const value = String(message.headers[name]);
    if (name === generationHeader) generation = Number(value);
    else headers[name] = value;
  }
  return {
    topic,
    partition,
    key: message.key?.toString('utf8') ?? '',
    value: message.value ?? new Uint8Array(),
    headers,
    offset: logicalOffset(Number(message.offset), generation),
    appendedAtMs: Number(message.timestamp),
  };
};
