import {
  conversationTopics,
  deadLetterTopic,
  type EventLog,
  type LogRecord,
  type NewRecord,
  Topic,
  topics,
} from '@caas/event-log';
import { until } from '@caas/kit/testing/until';
import { Kafka, logLevel } from 'kafkajs';
import type { Fault } from './faults.ts';
import { pause } from './pause.ts';
import type { World } from './world.ts';

/** Group of the persistence workers. */
const group = 'persistence';
/** Records that are copied of each partition. */
const maxCopies = 100;
/** How long a record may take to be put aside, in milliseconds. */
const asideMs = 30_000;

/** The workers are told that they have done nothing yet, and begin at the first record of every topic. */
export const replayed: Fault = async (world) => {
  const workers = ['persistence-1', 'persistence-2'].map((name) => world.process(name));
  for (const worker of workers) await worker.stop();
  const brokers = [world.engines.env['KAFKA_BROKERS'] as string];
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    for (const topic of conversationTopics) await admin.resetOffsets({ groupId: group, topic, earliest: true });
  } finally {
    await admin.disconnect();
  }
  for (const worker of workers) await worker.start();
};

const withLog = async (world: World, work: (log: EventLog) => Promise<void>): Promise<void> => {
  const log = await world.openLog();
  await work(log).finally(() => log.close());
};

const lastOf = async (log: EventLog, topic: string, partition: number): Promise<LogRecord[]> => {
  const { first, next } = await log.bounds(topic, partition);
  return log.read(topic, partition, Math.max(first, next - maxCopies), maxCopies);
};

const asNew = ({ topic, key, value, headers }: LogRecord): NewRecord => ({ topic, key, value, headers });

/** The last sends stand in the log again, as a producer leaves them that lost an answer. */
export const copied: Fault = async (world, chance) => {
  await withLog(world, async (log) => {
    for (let round = 0; round < 3; round += 1) {
      for (let partition = 0; partition < 6; partition += 1)
        await log.append((await lastOf(log, Topic.messageSent, partition)).map(asNew));
      await pause(chance.whole(300, 1_000));
    }
  });
};

/** Records that can't be read, of every kind, under the keys of conversations that live: all of them are put aside. */
export const poisoned: Fault = async (world, _chance, { conversations }) => {
  await withLog(world, async (log) => {
    const before = new Map<string, number>();
    const poison: NewRecord[] = [];
    for (const topic of conversationTopics) {
      const aside = deadLetterTopic(topic);
      before.set(aside, (await log.bounds(aside, 0)).next);
      for (const key of conversations)
        poison.push({ topic, key, value: Buffer.alloc(64, 0xff), headers: { 'tenant-id': 'nobody' } });
    }
    const [sent] = await lastOf(log, Topic.messageSent, 0);
    if (sent) {
      poison.push({ ...asNew(sent), headers: { ...sent.headers, 'tenant-id': 'another' } });
      poison.push({ ...asNew(sent), key: 'another-conversation' });
    }
    await log.append(poison);
    for (const { name } of topics.filter((topic) => (conversationTopics as readonly string[]).includes(topic.name))) {
      const aside = deadLetterTopic(name);
      const due = (before.get(aside) ?? 0) + poison.filter(({ topic }) => topic === name).length;
      await until(
        `${aside} has the poison`,
        () => log.bounds(aside, 0),
        ({ next }) => next >= due,
        asideMs,
      );
    }
  });
};
