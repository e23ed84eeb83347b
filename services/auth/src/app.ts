import type { AuditWriter } from '@caas/compliance-client/audit';
import { type Clock, type Runnable, runAll, systemClock } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { createGrpcServer, type ServiceAuth, service } from '@caas/kit/grpc';
import type { Logger } from '@caas/kit/log';
import { isSealedByAnother, type RootKey } from '@caas/kit/sealing';
import { PersonalDataServiceService } from '@caas/proto/caas/auth/v1/personal_data_service';
import { SessionServiceService } from '@caas/proto/caas/auth/v1/session_service';
import { TenantServiceService } from '@caas/proto/caas/auth/v1/tenant_service';
import { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';
import { bootstrapDevelopment, closeDevelopment, type DevelopmentApp } from './bootstrap.ts';
import { checkSessions } from './commands/check-sessions.ts';
import { closeUser } from './commands/close-user.ts';
import { createApp } from './commands/create-app.ts';
import { createTenant } from './commands/create-tenant.ts';
import { endAllSessions } from './commands/end-all-sessions.ts';
import { endSession } from './commands/end-session.ts';
import { eraseUser } from './commands/erase-user.ts';
import { getKeys } from './commands/get-keys.ts';
import { getUserData } from './commands/get-user-data.ts';
import { issueUserToken } from './commands/issue-user-token.ts';
import { listSessions } from './commands/list-sessions.ts';
import { refreshToken } from './commands/refresh-token.ts';
import { rotateAppSecret } from './commands/rotate-app-secret.ts';
import { rotateKey } from './commands/rotate-key.ts';
import { verifyTokens } from './commands/verify-tokens.ts';
import { watchRevocations } from './commands/watch-revocations.ts';
import type { AuthConfig } from './config.ts';
import { type AccountRoles, AuthCore } from './core.ts';
import { upkeepOf } from './upkeep.ts';

export interface AuthPorts {
  /** Owned, and closed, by the caller. */
  accounts: AccountRoles;
  /** Closed by auth when it ends. */
  audit: AuditWriter;
  rootKey: RootKey;
  /** How the services that call prove who they are. */
  serviceAuth: ServiceAuth;
  config: AuthConfig;
  logger: Logger;
  clock?: Clock;
}

export interface Auth extends Runnable {
  /** `host:port` of gRPC with the port that was bound. */
  readonly address: string;
  /** See bootstrap.ts. */
  bootstrapDevelopment(options: { appSecret: string }): Promise<DevelopmentApp>;
  closeDevelopment(): Promise<void>;
}

/** The services of auth over its core; also for tests that need no network. */
export const authServices = (core: AuthCore) => [
  service(TokenServiceService, {
    issueUserToken: issueUserToken(core),
    refreshToken: refreshToken(core),
    verifyTokens: verifyTokens(core),
    getKeys: getKeys(core),
    rotateKey: rotateKey(core),
  }),
  service(SessionServiceService, {
    listSessions: listSessions(core),
    endSession: endSession(core),
    endAllSessions: endAllSessions(core),
    checkSessions: checkSessions(core),
    watchRevocations: watchRevocations(core),
  }),
  service(TenantServiceService, {
    createTenant: createTenant(core),
    createApp: createApp(core),
    rotateAppSecret: rotateAppSecret(core),
  }),
  service(PersonalDataServiceService, {
    getUserData: getUserData(core),
    closeUser: closeUser(core),
    eraseUser: eraseUser(core),
  }),
];

/** Auth, listening when this resolves; `run` serves until the signal. */
export const createAuth = async (ports: AuthPorts): Promise<Auth> => {
  const { accounts, audit, config, logger, serviceAuth, clock = systemClock } = ports;
  const core = new AuthCore({ accounts, audit, rootKey: ports.rootKey, config, clock });
  await core.keys.load().catch((error: unknown) => {
    throw isSealedByAnother(error)
      ? new ConfigError(
          'the signing keys do not open with this root key: restore the one they were sealed with, in the file that AUTH_ROOT_KEY_FILE names',
        )
      : error;
  });
  const server = await createGrpcServer({
    name: 'auth',
    address: config.grpcAddress,
    services: authServices(core),
    auth: serviceAuth,
    logger,
  });
  return {
    name: 'auth',
    address: server.address,
    run: (signal) => runAll([server, ...upkeepOf(core, logger)], signal).finally(() => audit.close()),
    bootstrapDevelopment: ({ appSecret }) => bootstrapDevelopment(accounts, { appSecret, nowMs: clock.now() }),
    closeDevelopment: () => closeDevelopment(accounts, { nowMs: clock.now() }),
  };
};
