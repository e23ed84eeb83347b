import type { CallContext } from '@caas/kit/grpc';
import type { WatchDestroyedRequest, WatchDestroyedResponse } from '@caas/proto/caas/crypto/v1/key_service';
import type { CryptoCore } from '../core.ts';

/** Streams the keys that are destroyed; the first response, at once, says that the watch has begun. */
export const watchDestroyed =
  ({ destructions }: CryptoCore) =>
  (
    { afterMs }: WatchDestroyedRequest,
    { signal }: Pick<CallContext, 'signal'>,
  ): AsyncGenerator<WatchDestroyedResponse> =>
    destructions.watch(afterMs, signal);
