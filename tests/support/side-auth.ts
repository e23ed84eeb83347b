import { join } from 'node:path';
import { openSqliteAccountStore } from '@caas/account-store';
import { type AuthConfig, authConfig, createAuth, rootKeyFromFile } from '@caas/auth';
import { openAuditWriter } from '@caas/compliance-client/audit';
import { openSqliteEventLog } from '@caas/event-log';
import { type Clock, newId } from '@caas/kit';
import { createGrpcClient, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { TenantServiceService } from '@caas/proto/caas/auth/v1/tenant_service';
import { TokenServiceService } from '@caas/proto/caas/auth/v1/token_service';
import { TenantLimits } from '@caas/proto/caas/common/v1/claims';

export interface SideAuth {
  /** A new tenant with an app; limits absent are the platform's. */
  tenant(tenantId: string, limits?: Partial<TenantLimits>): Promise<{ appId: string; appSecret: string }>;
  /** A token of an app's user, with this instance's clock and lifetimes. */
  token(
    app: { appId: string; appSecret: string },
    externalId: string,
  ): Promise<{ accessToken: string; userId: string }>;
  stop(): Promise<void>;
}

const noLimits = TenantLimits.fromPartial({});

export interface SideAuthOptions {
  clock?: Clock;
  config?: Partial<AuthConfig>;
}

/**
 * A second instance of auth over a platform's accounts and root key, as installations run several: its tokens are good
 * everywhere, its clock and lifetimes are the test's, and it takes an operator's calls.
 */
export const sideAuth = async (dataDir: string, options: SideAuthOptions = {}): Promise<SideAuth> => {
  const logger = createLogger({ service: 'side-auth', level: 'silent' });
  const serviceAuth = sharedTokenAuth({ token: 'services-of-a-test', operatorToken: 'operator-of-a-test' });
  const accounts = await openSqliteAccountStore({ file: join(dataDir, 'accounts.db') });
  const log = await openSqliteEventLog({ file: join(dataDir, `side-log-${newId()}.db`) });
  const auth = await createAuth({
    accounts,
    audit: await openAuditWriter({ log, service: 'side-auth', folder: join(dataDir, 'audit'), logger }),
    rootKey: await rootKeyFromFile(join(dataDir, 'keys', 'root.key')),
    serviceAuth,
    config: { ...authConfig({}), grpcAddress: '127.0.0.1:0', ...options.config },
    logger,
    ...(options.clock && { clock: options.clock }),
  });
  const stopping = new AbortController();
  const running = auth.run(stopping.signal);
  const to = { address: auth.address, auth: serviceAuth, logger };
  const tenants = createGrpcClient(TenantServiceService, { ...to, callerName: 'operator' });
  const tokens = createGrpcClient(TokenServiceService, { ...to, callerName: 'gateway' });
  return {
    async tenant(tenantId, limits = {}) {
      await tenants.createTenant({ tenantId, name: tenantId, limits: { ...noLimits, ...limits }, allowedOrigins: [] });
      return tenants.createApp({ tenantId, name: 'app' });
    },
    async token({ appId, appSecret }, userExternalId) {
      const issued = await tokens.issueUserToken({
        appId,
        appSecret,
        userExternalId,
        displayName: '',
        device: '',
        remoteAddress: '',
      });
      return { accessToken: issued.tokens?.accessToken ?? '', userId: issued.claims?.userId ?? '' };
    },
    async stop() {
      tenants.close();
      tokens.close();
      stopping.abort();
      await running;
      await Promise.all([accounts.close(), log.close()]);
    },
  };
};
