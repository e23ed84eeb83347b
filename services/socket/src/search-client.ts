import type { Logger } from '@caas/kit';
import { createGrpcClient, type GrpcClient, type ServiceAuth } from '@caas/kit/grpc';
import { SearchServiceService } from '@caas/proto/caas/search/v1/search_service';

/** What a node asks of search. */
export type SearchClient = Pick<GrpcClient<typeof SearchServiceService>, 'search'>;

/** Somebody waits for the answer: few attempts, soon after each other. */
const retry = { maxAttempts: 3, baseMs: 50, capMs: 200 };
const breaker = { failures: 5, openMs: 2_000 };

/** The gRPC client of search, for a node to be built with. */
export const searchClient = (
  address: string,
  auth: ServiceAuth,
  logger: Logger,
): GrpcClient<typeof SearchServiceService> =>
  createGrpcClient(SearchServiceService, { address, auth, callerName: 'socket', logger, retry, breaker });
