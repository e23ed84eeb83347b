import type { Handlers } from '@caas/kit/grpc';
import type { SearchServiceService } from '@caas/proto/caas/search/v1/search_service';
import type { SearchCore } from '../core.ts';

/**
 * Takes what a user said out of the index and its files. To be called once the store has it no more: what is still there
 * comes back with its next change, or when the index is written anew.
 */
export const purgeUser =
  ({ index, logger }: SearchCore): Handlers<typeof SearchServiceService>['purgeUser'] =>
  async ({ tenantId, userId }) => {
    const messages = await index.purgeSender(tenantId, userId);
    logger.info({ tenantId, messages }, 'a sender was purged');
    return { messages, goneAfterMs: index.goneAfterMs };
  };
