import type { GrpcClient } from '@caas/kit/grpc';
import type { SessionServiceService } from '@caas/proto/caas/auth/v1/session_service';
import type { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';

/** Auth as the gateway calls it. */
export interface AuthClients {
  tokens: GrpcClient<typeof TokenServiceService>;
  sessions: GrpcClient<typeof SessionServiceService>;
}
