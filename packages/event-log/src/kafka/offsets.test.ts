import { expect, test } from '@jest/globals';
import { Code } from './codes.ts';
import type { KafkaLink } from './link.ts';
import { knownEnds } from './offsets.ts';
import type { Answers } from './protocol.ts';

interface ListOffsetsArgs {
  topics: { topic: string; partitions: { partition: number }[] }[];
}

/** A cluster of one broker, which leads the partitions below 2 only, and of them only knows the end of those below `known`. */
const aLink = (known: number) => ({
  refresh: async () => undefined,
  leader: (_: string, partition: number) => (partition < 2 ? 1 : undefined),
  call: async (_: number, __: 'ListOffsets', { topics }: ListOffsetsArgs): Promise<Answers['ListOffsets']> => ({
    responses: topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => {
        return { partition, errorCode: partition < known ? Code.none : Code.storageError, offset: `${partition + 40}` };
      }),
    })),
  }),
});
const endsOf = (known: number) => {
  const partitions = [0, 1, 2].map((partition) => ({ topic: 't', partition }));
  return knownEnds(aLink(known) as unknown as KafkaLink, partitions);
};

test('a partition without a leader keeps nobody from the ends of the others', async () => {
  expect([...(await endsOf(2))]).toEqual([
    ['t 0', 40],
    ['t 1', 41],
  ]);
});

test('a leader that does not say where a partition ends leaves it open what waits', async () => {
  await expect(endsOf(1)).rejects.toThrow('list offsets: KAFKA_STORAGE_ERROR');
});
