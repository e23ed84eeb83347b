import { CaasError } from '@caas/kit';
import { Code } from './codes.ts';
import type { Lane, Unit } from './lane.ts';
import { generationHeader, type KafkaTopic } from './layout.ts';

/** How long a broker waits for its followers before it says that it does not know, in milliseconds. */
const replicationTimeoutMs = 3_000;

/** A unit that goes out in a request. */
export interface Sent {
  lane: Lane;
  unit: Unit;
}

/** The request for some units of one producer identity. */
export const produceArgs = (sent: readonly Sent[]): object => {
  const { id, epoch } = (sent[0] as Sent).unit.identity;
  return {
    acks: -1,
    timeout: replicationTimeoutMs,
    producerId: id,
    producerEpoch: epoch,
    topicData: [...Map.groupBy(sent, ({ lane }) => lane.topic)].map(([topic, parts]) => ({
      topic: topic.physical,
      partitions: parts.map(({ lane, unit }) => {
        return { partition: lane.partition, firstSequence: unit.firstSequence, messages: messagesOf(unit, topic) };
      }),
    })),
  };
};

/** Records of a unit as kafkajs encodes them. */
const messagesOf = (unit: Unit, { generation }: KafkaTopic): object[] =>
  unit.entries.map(({ record: { key, value, headers } }) => ({
    key,
    value: Buffer.from(value.buffer, value.byteOffset, value.byteLength),
    headers: generation === 0 ? headers : { ...headers, [generationHeader]: String(generation) },
  }));

/** What an answer to an attempt to write says. */
export type Verdict = 'written' | 'not written' | 'in doubt' | 'sequence lost' | 'refused';

const verdicts = new Map<number, Verdict>([
  [Code.none, 'written'],
  [Code.leaderNotAvailable, 'not written'],
  [Code.notEnoughReplicas, 'not written'],
  // Batches are never larger than the topics take: one that is growing is closed so.
  [Code.messageTooLarge, 'not written'],
  // It may be in the log; the same batch again will tell.
  [Code.unknown, 'in doubt'],
  // A leader that is deposed while it waits for its followers says so of batches it has written, too, and a partition that
  // was moved away from it meanwhile is unknown to it.
  [Code.notLeader, 'in doubt'],
  [Code.unknownTopicOrPartition, 'in doubt'],
  [Code.requestTimedOut, 'in doubt'],
  [Code.notEnoughReplicasAfterAppend, 'in doubt'],
  [Code.storageError, 'in doubt'],
  // The broker does not know the producer's sequence any more.
  [Code.outOfOrderSequence, 'sequence lost'],
  [Code.duplicateSequence, 'sequence lost'],
  [Code.invalidProducerEpoch, 'sequence lost'],
  [Code.unknownProducer, 'sequence lost'],
]);

export const verdictOf = (code: number): Verdict => verdicts.get(code) ?? 'refused';

/** For a call of which nothing is in the log. */
export const refusal = (cause: unknown): CaasError =>
  new CaasError('UNAVAILABLE', 'the log refuses the record', { cause });

/** For a call that is in the log, in part, or not at all. */
export const unknownFate = (cause: unknown): CaasError =>
  new CaasError('DEADLINE_EXCEEDED', 'the log did not say in time whether it holds the records', { cause });
