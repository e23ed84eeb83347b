import type { CallContext } from '@caas/kit/grpc';
import type { WatchRevocationsRequest, WatchRevocationsResponse } from '@caas/proto/caas/auth/v1/session_service';
import type { AuthCore } from '../core.ts';

/** Streams the sessions that end from now on; the first, empty batch says that the watch has begun. */
export const watchRevocations = (core: AuthCore) =>
  async function* (
    _: WatchRevocationsRequest,
    { signal }: Pick<CallContext, 'signal'>,
  ): AsyncGenerator<WatchRevocationsResponse> {
    for await (const { ended, blind } of core.revocations.watch(signal)) {
      yield { revoked: ended.map(({ tenantId, userId, sessionId }) => ({ tenantId, userId, sessionId })), blind };
    }
  };
