import { conversationTopics, type EventLog, type Subscription, shardCount, Topic } from '@caas/event-log';
import { type KeyValue, LivingNodes, type NodeInbox } from '@caas/key-value';
import { type Clock, type Logger, type Runnable, systemClock } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';
import { BatchHealth } from './batch-health.ts';
import type { PersistenceConfig } from './config.ts';
import { DeadLetters } from './dead-letters.ts';
import { NoticeQueue } from './notice-queue.ts';
import { notifyNodes } from './notify.ts';
import { ShardWorker } from './shard-worker.ts';
import type { Counters, PersistenceStats } from './stats.ts';

/** Name of the workers' consumer group in the log. */
export const persistenceGroup = 'persistence';

/**
 * What may wait for company: a batch costs three syncs and a head to every member, whether it has one message or a
 * thousand. Who waits for a commit (edits, memberships) is not held up.
 */
const gatheredTopics = [Topic.messageSent, Topic.messageDelivered];

export interface PersistenceParts {
  log: EventLog;
  store: MessageStore;
  keyValue: KeyValue;
  inbox: NodeInbox;
  config: Pick<PersistenceConfig, 'maxBatchRecords' | 'maxDocumentsPerStep' | 'maxCachedHeads'> &
    Partial<Pick<PersistenceConfig, 'gatherMs'>>;
  logger: Logger;
  clock?: Clock;
}

export interface Persistence extends Runnable {
  /** False while what is accepted has not been applied for long: batches fail again and again, or none comes to its end. */
  ready(): boolean;
  stats(): Promise<PersistenceStats>;
}

/**
 * A persistence worker: takes its share of the shards, applies what the log holds to the store, tells log and nodes. While
 * the store is away its batches come again and again; the log keeps everything, and it catches up by itself. Any number of
 * workers may run. `run` ends after the batch in hand.
 */
export const createPersistence = (parts: PersistenceParts): Persistence => {
  const { log, store, keyValue, inbox, config, logger, clock = systemClock } = parts;
  const counters: Counters = { applied: 0, rejected: 0, deadLettered: 0, lastBatchMs: 0, lastBatchRecords: 0 };
  const living = new LivingNodes(keyValue, clock, logger);
  const deadLetters = new DeadLetters(log);
  const notices = new NoticeQueue(
    (news) => notifyNodes(keyValue, living, inbox, news),
    (err) => logger.warn({ err }, 'nodes not told; they find out by comparing heads'),
  );
  const worker = new ShardWorker({ log, store, clock, deadLetters, notices, counters, logger, ...config });
  const health = new BatchHealth(clock);
  let subscription: Subscription | undefined;
  return {
    name: 'persistence',
    run: async (signal) => {
      const group = {
        group: persistenceGroup,
        topics: conversationTopics,
        shards: shardCount,
        from: 'earliest' as const,
        gather: { topics: gatheredTopics, ms: config.gatherMs ?? 0 },
      };
      subscription = log.subscribe({ ...group, maxBatchRecords: config.maxBatchRecords }, health.watched(worker));
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      await subscription.close();
      await notices.settled();
    },
    ready: () => health.ready && subscription?.stalled() !== true,
    stats: async () => ({
      ...counters,
      parked: deadLetters.parkedCount,
      noticesDropped: notices.dropped,
      lag: (await subscription?.lag()) ?? 0,
    }),
  };
};
