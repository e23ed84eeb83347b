import type { Logger } from '@caas/kit';
import { createGrpcClient, type ServiceAuth } from '@caas/kit/grpc';
import { KeyServiceService } from '@caas/proto/caas/crypto/v1/key_service';
import type { KeySource } from './key-ring.ts';

/** Waits between attempts, in milliseconds: short, because a send or a read waits. */
const retry = { maxAttempts: 3, baseMs: 50, capMs: 200 };

export interface KeySourceOptions {
  /** `host:port` of crypto's gRPC. */
  address: string;
  auth: ServiceAuth;
  /** The service that asks. */
  callerName: string;
  logger: Logger;
}

/** gRPC client of crypto; closed by who made it. */
export const keySource = (options: KeySourceOptions): KeySource & { close(): void } =>
  createGrpcClient(KeyServiceService, { ...options, retry });
