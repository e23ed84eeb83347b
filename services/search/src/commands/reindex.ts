import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from '@caas/kit';
import type { Handlers } from '@caas/kit/grpc';
import type { SearchServiceService } from '@caas/proto/caas/search/v1/search_service';
import type { SearchCore } from '../core.ts';

/** How often progress is told, and looked at, in milliseconds. */
const tellMs = 1_000;
const lookMs = 50;

/** Writes a tenant's index anew and tells how far it is; whoever asks meanwhile follows the same work, which nobody's leaving ends. */
export const reindex = ({ reindexer }: SearchCore): Handlers<typeof SearchServiceService>['reindex'] =>
  async function* ({ tenantId }, { signal }) {
    const job = await reindexer.start(tenantId);
    for (let toldAtMs = performance.now(); job.state === 'running'; ) {
      await sleep(lookMs, undefined, { signal });
      if (performance.now() - toldAtMs < tellMs) continue;
      toldAtMs = performance.now();
      yield { messages: job.messages, done: false };
    }
    if (job.state === 'failed') fail('UNAVAILABLE', 'the index could not be written anew; it goes on when asked again');
    yield { messages: job.messages, done: true };
  };
