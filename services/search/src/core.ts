import type { Clock, Logger } from '@caas/kit';
import type { MessageStore } from '@caas/message-store';
import type { SearchIndex } from '@caas/search-index';
import type { ContentReader } from './content-reader.ts';
import type { Reindexer } from './feed/reindex.ts';

/** What the service's methods work with. */
export interface SearchCore {
  store: MessageStore;
  index: SearchIndex;
  open: ContentReader;
  reindexer: Reindexer;
  /** How far the index is behind the log, in milliseconds. */
  lagMs(): number;
  /** Searches that may run at the same time. */
  maxConcurrentSearches: number;
  clock: Clock;
  logger: Logger;
}
