import type { RateLimits } from '@caas/key-value';
import { type Runnable, runAll } from '@caas/kit';
import { createGrpcClient, createGrpcServer, type ServiceAuth } from '@caas/kit/grpc';
import type { Logger } from '@caas/kit/log';
import { SessionServiceService } from '@caas/proto/caas/auth/v1/session_service';
import { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';
import type { GatewayConfig } from './config.ts';
import { expressApp } from './http/express-app.ts';
import { listen } from './http/listen.ts';
import { GatewayRates } from './http/rate-limits.ts';
import type { Route } from './http/route.ts';
import { maxConnectionsPerAddress } from './limits.ts';
import { describeApi } from './openapi.ts';
import type { AuthClients } from './routes/clients.ts';
import { endAllSessions } from './routes/end-all-sessions.ts';
import { endSession } from './routes/end-session.ts';
import { live, ready } from './routes/health.ts';
import { issueToken } from './routes/issue-token.ts';
import { jwks } from './routes/jwks.ts';
import { listSessions } from './routes/list-sessions.ts';
import { logout } from './routes/logout.ts';
import { openApi } from './routes/openapi.ts';
import { refreshToken } from './routes/refresh-token.ts';

export interface GatewayPorts {
  /** How the gateway proves to auth who it is, and how others prove themselves to its own gRPC. */
  serviceAuth: ServiceAuth;
  /** Counters shared by all gateways. */
  rateLimits: RateLimits;
  /** Counters of this process, for while the shared ones do not answer. */
  localRateLimits: RateLimits;
  config: GatewayConfig;
  logger: Logger;
}

export interface Gateway extends Runnable {
  /** `http://host:port` with the port that was bound. */
  readonly url: string;
  /** `host:port` of its gRPC (health, reflection). */
  readonly grpcAddress: string;
}

/** Waits between attempts of calls that may be repeated, in milliseconds: short, because somebody waits for the answer. */
const retry = { maxAttempts: 3, baseMs: 50, capMs: 200 };

const routesOf = (clients: AuthClients, config: GatewayConfig): Route[] => {
  const routes: Route[] = [
    issueToken(clients, config),
    refreshToken(clients),
    logout(clients),
    listSessions(clients),
    endSession(clients),
    endAllSessions(clients),
    jwks(clients),
    live,
    ready(clients),
  ];
  const description = openApi(() => describeApi([...routes, description]));
  return [...routes, description];
};

/** The gateway, listening when this resolves; `run` serves until the signal. */
export const createGateway = async (ports: GatewayPorts): Promise<Gateway> => {
  const { serviceAuth: auth, config, logger } = ports;
  const client = { address: config.authAddress, auth, callerName: 'gateway', logger, retry };
  const clients = {
    tokens: createGrpcClient(TokenServiceService, client),
    sessions: createGrpcClient(SessionServiceService, client),
  };
  const rates = new GatewayRates({ shared: ports.rateLimits, local: ports.localRateLimits, logger }, config.rates);
  const { trustProxy, host, port, drainMs } = config;
  const app = expressApp({ routes: routesOf(clients, config), rates, tokens: clients.tokens, trustProxy, logger });
  // Behind a proxy all connections are of its address, and it is the one to bound its clients.
  const maxPerAddress = trustProxy > 0 ? 0 : maxConnectionsPerAddress;
  const server = await listen(app, { host, port, maxPerAddress, drainMs, logger });
  const grpc = await createGrpcServer({ name: 'gateway', address: config.grpcAddress, services: [], auth, logger });
  return {
    name: 'gateway',
    url: server.url,
    grpcAddress: grpc.address,
    async run(signal) {
      try {
        await runAll([server, grpc], signal, { drainMs: drainMs + 1_000 });
      } finally {
        for (const each of Object.values(clients)) each.close();
      }
    },
  };
};
