import type { Logger } from '@caas/kit';
import { createGrpcClient, type GrpcClient, type ServiceAuth } from '@caas/kit/grpc';
import { MediaServiceService } from '@caas/proto/caas/media/v1/media_service';

/** What a node asks media for. */
export type MediaClient = Pick<
  GrpcClient<typeof MediaServiceService>,
  'createUpload' | 'getUpload' | 'completeUpload' | 'abortUpload' | 'getMedia' | 'resolveAttachments'
>;

/** Waits between attempts, in milliseconds: short, because a command waits. */
const retry = { maxAttempts: 3, baseMs: 50, capMs: 200 };

/** gRPC client of media, for a node to be built with. */
export const mediaClient = (address: string, auth: ServiceAuth, logger: Logger): MediaClient & { close(): void } =>
  createGrpcClient(MediaServiceService, { address, auth, callerName: 'socket', logger, retry });
