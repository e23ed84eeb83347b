import { KeyRing, type KeySource } from '@caas/compliance-client/keys';
import { type EventLog, type Subscription, shardCount, Topic } from '@caas/event-log';
import { type Clock, type Logger, type Runnable, runAll, systemClock } from '@caas/kit';
import { createGrpcServer, type GrpcServer, type ServiceAuth, service } from '@caas/kit/grpc';
import type { MessageStore } from '@caas/message-store';
import { SearchServiceService } from '@caas/proto/caas/search/v1/search_service';
import type { SearchIndex } from '@caas/search-index';
import { getIndexState } from './commands/get-index-state.ts';
import { purgeUser } from './commands/purge-user.ts';
import { reindex } from './commands/reindex.ts';
import { search } from './commands/search.ts';
import type { SearchConfig } from './config.ts';
import { readerWith } from './content-reader.ts';
import type { SearchCore } from './core.ts';
import { ConversationFeed } from './feed/conversation-feed.ts';
import { Erasures } from './feed/erasures.ts';
import { Indexer } from './feed/indexer.ts';
import { Reindexer } from './feed/reindex.ts';
import { Sweep } from './feed/sweep.ts';
import { searchTopics } from './feed/triggers.ts';
import { gatherMs, healthMs, lagStepMs, maxBatchRecords } from './limits.ts';

/** Name of the indexers' consumer group in the log. */
export const searchGroup = 'search';

export interface SearchPorts {
  log: EventLog;
  store: MessageStore;
  /** Owned, and closed, by the caller, as the others are. */
  index: SearchIndex;
  /** Where the keys come from that open what messages say. */
  keys: KeySource;
  config: Pick<SearchConfig, 'grpcAddress' | 'maxConcurrentSearches'>;
  /** How the services that call prove who they are. */
  serviceAuth: ServiceAuth;
  logger: Logger;
  clock?: Clock;
}

export interface SearchServer extends Runnable {
  /** `host:port` of gRPC with the port that was bound. */
  readonly address: string;
  /** Lets go of its port with no word to anyone, as a crash of the process would. */
  crash(): void;
}

/** How far the index is behind, in steps: it says how busy the installation is, and need not say it exactly. */
const lagOf = (sinceMs: readonly (number | undefined)[], nowMs: number): number => {
  const since = sinceMs.filter((each) => each !== undefined);
  return since.length === 0 ? 0 : Math.ceil(Math.max(0, nowMs - Math.min(...since)) / lagStepMs) * lagStepMs;
};

/** The search service, listening when this resolves; `run` feeds the index and serves until the signal. */
export const createSearch = async (ports: SearchPorts): Promise<SearchServer> => {
  const { log, store, index, keys, config, serviceAuth, logger, clock = systemClock } = ports;
  const ring = new KeyRing({ source: keys, holder: 'search', logger });
  const open = readerWith(ring);
  const erasures = new Erasures({ keys, index, logger });
  const feed = new ConversationFeed({ store, index, open, erasures });
  const parts = { store, index, feed, clock, logger };
  const sweep = new Sweep(parts);
  const indexer = new Indexer({ ...parts, onIncomplete: (offsets) => sweep.begin(offsets) });
  const reindexer = new Reindexer(parts);
  const core: SearchCore = {
    ...{ store, index, open, reindexer, clock, logger },
    maxConcurrentSearches: config.maxConcurrentSearches,
    lagMs: () => lagOf([indexer.behindSinceMs, sweep.sinceMs], clock.now()),
  };
  const handlers = {
    search: search(core),
    getIndexState: getIndexState(core),
    reindex: reindex(core),
    purgeUser: purgeUser(core),
  };
  const server = await createGrpcServer({
    name: 'search',
    address: config.grpcAddress,
    services: [service(SearchServiceService, handlers)],
    auth: serviceAuth,
    logger,
  });
  const feeding: Runnable = {
    name: 'feed',
    run: async (signal) => {
      const gather = { topics: [Topic.messageDelivered], ms: gatherMs };
      const group = { group: searchGroup, topics: searchTopics, shards: shardCount, from: 'earliest' as const, gather };
      const subscription = log.subscribe({ ...group, maxBatchRecords }, indexer);
      const stopTelling = tellHealth(server.health, subscription, signal);
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      stopTelling();
      await subscription.close();
    },
  };
  return {
    name: 'search',
    address: server.address,
    run: (signal) => runAll([feeding, indexer, sweep, reindexer, server, ring, erasures], signal),
    crash: () => void server.stop(0),
  };
};

/** It is not well while records wait and none gets done. */
const tellHealth = (health: GrpcServer['health'], subscription: Subscription, signal: AbortSignal): (() => void) => {
  let told = true;
  const telling = setInterval(() => {
    const now = !subscription.stalled();
    // While it stops its health is that it stops.
    if (now !== told && !signal.aborted) health.set('', now);
    told = now;
  }, healthMs);
  return () => clearInterval(telling);
};
