import type { KeySource } from '@caas/compliance-client/keys';
import type { Logger } from '@caas/kit';
import { createGrpcClient, type ServiceAuth } from '@caas/kit/grpc';
import { KeyServiceService } from '@caas/proto/caas/crypto/v1/key_service';

/** gRPC client of crypto, for the service to be built with. */
export const keySource = (address: string, auth: ServiceAuth, logger: Logger): KeySource & { close(): void } =>
  createGrpcClient(KeyServiceService, { address, auth, callerName: 'media', logger });
