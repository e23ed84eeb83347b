import type { KeySource } from '@caas/compliance-client/keys';
import type { Logger } from '@caas/kit';
import { createGrpcClient, type ServiceAuth } from '@caas/kit/grpc';
import { KeyServiceService } from '@caas/proto/caas/crypto/v1/key_service';

/** Waits between attempts, in milliseconds: short, because a send or a read waits. */
const retry = { maxAttempts: 3, baseMs: 50, capMs: 200 };

/** gRPC client of crypto, for a node to be built with. */
export const keySource = (address: string, auth: ServiceAuth, logger: Logger): KeySource & { close(): void } =>
  createGrpcClient(KeyServiceService, { address, auth, callerName: 'socket', logger, retry });
