import type { Logger } from '@caas/kit';
import { createGrpcClient, type ServiceAuth } from '@caas/kit/grpc';
import { SessionServiceService } from '@caas/proto/caas/auth/v1/session_service';
import { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';
import type { AuthClients } from './edge/gate.ts';

/** Waits between attempts of calls that may be repeated, in milliseconds: short, because somebody waits at the door. */
const retry = { maxAttempts: 3, baseMs: 50, capMs: 200 };

/** gRPC clients of auth, for a node to be built with. */
export const authClients = (address: string, auth: ServiceAuth, logger: Logger): AuthClients & { close(): void } => {
  const options = { address, auth, callerName: 'socket', logger, retry };
  const tokens = createGrpcClient(TokenServiceService, options);
  const sessions = createGrpcClient(SessionServiceService, options);
  return {
    tokens,
    sessions,
    close() {
      tokens.close();
      sessions.close();
    },
  };
};
