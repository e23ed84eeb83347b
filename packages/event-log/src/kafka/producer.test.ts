import { expect, test } from '@jest/globals';
import { aGate, eventually, reasonOf } from '../contract/harness.ts';
import { Code } from './codes.ts';
import { KafkaLayout } from './layout.ts';
import type { KafkaLink } from './link.ts';
import { Producer } from './producer.ts';
import type { Answers } from './protocol.ts';

interface Batch {
  firstSequence: number;
  messages: { value: Buffer }[];
}

/** A request of one partition. */
interface ProduceArgs {
  producerId: string;
  topicData: [{ partitions: [Batch] }];
}

/**
 * A partition of two brokers, as Kafka's ProducerStateManager keeps it: a batch is known again by its producer and its
 * sequences, not by its content. What only a schedule of two brokers shows is scripted here; real ones are in
 * kafka-leaders.engine.test.ts.
 */
class Cluster implements Pick<KafkaLink, 'partitions' | 'leader' | 'ageMs' | 'refresh' | 'call'> {
  readonly log: string[] = [];
  /** Nodes that batches were sent to. */
  readonly asked: (number | undefined)[] = [];
  leaderNode: number | undefined = 1;
  ageMs = 0;
  /** What the next append is answered after it was written, with which its leader loses its office. */
  deposedWith: number | undefined;
  /** Awaited by a look at the topics, and before a batch is answered. */
  refreshing = Promise.resolve();
  answering = Promise.resolve();
  readonly #batches = new Map<string, { first: number; last: number; base: number }[]>();

  partitions = (): number => 1;
  leader = (): number | undefined => this.leaderNode;
  refresh = async (): Promise<void> => {
    await this.refreshing;
    this.ageMs = 0;
  };

  async call<A extends keyof Answers>(node: number | undefined, api: A, args: object): Promise<Answers[A]> {
    if (api === 'InitProducerId') return { errorCode: 0, producerId: '1', producerEpoch: 0 } as Answers[A];
    this.asked.push(node);
    const [errorCode, base] = this.#append(args as ProduceArgs);
    await this.answering;
    const partitions = [{ partition: 0, errorCode, baseOffset: String(base) }];
    return { topics: [{ topicName: 't', partitions }] } as Answers[A];
  }

  #append({ producerId, topicData }: ProduceArgs): [code: number, base: number] {
    const { firstSequence: first, messages } = topicData[0].partitions[0];
    const own = this.#batches.get(producerId) ?? [];
    this.#batches.set(producerId, own);
    const last = first + messages.length - 1;
    const same = own.find((batch) => batch.first === first && batch.last === last);
    if (same) return [Code.none, same.base];
    if (first !== (own.at(-1)?.last ?? -1) + 1) return [Code.outOfOrderSequence, -1];
    const base = this.log.length;
    own.push({ first, last, base });
    for (const { value } of messages) this.log.push(String(value));
    const deposedWith = this.deposedWith;
    if (deposedWith === undefined) return [Code.none, base];
    this.deposedWith = undefined;
    this.leaderNode = undefined;
    return [deposedWith, -1];
  }
}

const aProducer = (appendTimeoutMs: number) => {
  const cluster = new Cluster();
  const layout = new KafkaLayout([{ name: 't', partitions: 1, retentionMs: 1 }], '', {});
  const producer = new Producer({
    link: cluster as unknown as KafkaLink,
    layout,
    maxPendingBytes: 1e6,
    appendTimeoutMs,
    report: () => undefined,
  });
  const append = (text: string) =>
    reasonOf(producer.append([{ topic: 't', key: 'k', value: Buffer.from(text), headers: {} }]));
  return { cluster, producer, append };
};

/** What a deposed leader may answer for a batch it has written. */
const deposed = [Code.notLeader, Code.unknownTopicOrPartition];

test.each(deposed)(
  'a record is in the log once, when its leader fell (%i) after it had written it and more came',
  async (code) => {
    const { cluster, producer, append } = aProducer(10_000);
    cluster.deposedWith = code;
    const a = append('A');
    await eventually(() => expect(cluster.leaderNode).toBeUndefined());
    const d = append('D');
    cluster.leaderNode = 2;
    expect(await Promise.all([a, d])).toEqual(['none', 'none']);
    await producer.close();
    expect(cluster.log).toEqual(['A', 'D']);
  },
);

test.each(deposed)(
  'an append whose leader fell (%i) after it had written it is in doubt, and the next one is not lost',
  async (code) => {
    const { cluster, producer, append } = aProducer(300);
    cluster.deposedWith = code;
    expect(await append('A')).toBe('DEADLINE_EXCEEDED');
    cluster.leaderNode = 2;
    await eventually(async () => expect(await append('C')).toBe('none'));
    await producer.close();
    expect(cluster.log.filter((text) => text === 'A')).toHaveLength(1);
    expect(cluster.log).toContain('C');
  },
);

test('a batch is with one broker at a time, also when its leader moves to and fro while a request is prepared', async () => {
  const { cluster, producer, append } = aProducer(10_000);
  const [looking, written] = [aGate(), aGate()];
  cluster.ageMs = Number.POSITIVE_INFINITY;
  cluster.refreshing = looking.opened;
  cluster.answering = written.opened;
  const a = append('A');
  await nextTurns();
  // The request to node 1 waits for a look at the topics; meanwhile node 2 leads, and gets the batch.
  cluster.ageMs = 0;
  cluster.leaderNode = 2;
  const b = append('B');
  await eventually(() => expect(cluster.asked).toEqual([2]));
  cluster.leaderNode = 1;
  looking.open();
  await nextTurns();
  expect(cluster.asked).toEqual([2]);
  written.open();
  expect(await Promise.all([a, b])).toEqual(['none', 'none']);
  await producer.close();
  expect(cluster.log).toEqual(['A', 'B']);
});

/** As many turns of the event loop as a producer needs from an append to its request. */
const nextTurns = async (): Promise<void> => {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
};
