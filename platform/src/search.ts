import type { KeySource } from '@caas/compliance-client/keys';
import type { EventLog } from '@caas/event-log';
import type { Logger } from '@caas/kit';
import type { ServiceAuth } from '@caas/kit/grpc';
import type { MessageStore } from '@caas/message-store';
import { createSearch, type SearchConfig, type SearchServer } from '@caas/search';
import type { SearchIndex } from '@caas/search-index';
import { type Restartable, restartable } from './restartable.ts';

export interface SearchParts {
  log: EventLog;
  store: MessageStore;
  index: SearchIndex;
  keys: KeySource;
  config: SearchConfig;
  grpcAddress: string;
  serviceAuth: ServiceAuth;
  logger: Logger;
}

/** The search service of the platform; it comes back where it was. */
export const startSearch = (parts: SearchParts, crashable: boolean): Promise<Restartable<SearchServer>> => {
  let { grpcAddress } = parts;
  return restartable('search', crashable, async (severance) => {
    const started = await createSearch({
      ...parts,
      log: severance.port(parts.log),
      store: severance.port(parts.store),
      index: severance.port(parts.index),
      config: { ...parts.config, grpcAddress },
    });
    grpcAddress = started.address;
    return started;
  });
};
