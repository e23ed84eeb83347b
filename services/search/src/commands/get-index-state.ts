import type { Handlers } from '@caas/kit/grpc';
import type { SearchServiceService } from '@caas/proto/caas/search/v1/search_service';
import type { SearchCore } from '../core.ts';

/** How far the index is behind, how much it has, and what is written anew. */
export const getIndexState =
  ({ index, reindexer, lagMs }: SearchCore): Handlers<typeof SearchServiceService>['getIndexState'] =>
  async () => ({ lagMs: lagMs(), messages: await index.count(), reindexing: reindexer.tenants });
