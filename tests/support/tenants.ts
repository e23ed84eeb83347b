import { createGrpcClient, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import type { Platform } from '@caas/platform';
import { TenantServiceService } from '@caas/proto/caas/auth/v1/tenant_service';

export const operatorToken = 'the-operator-of-a-test';

/** Another tenant with an app, made as an operator makes them; usable with `signIn`. */
export const anotherTenant = async (
  platform: Pick<Platform, 'gatewayUrl' | 'authAddress'>,
  tenantId: string,
): Promise<Pick<Platform, 'gatewayUrl' | 'app'>> => {
  const auth = sharedTokenAuth({ token: 'not-the-services-token', operatorToken });
  const logger = createLogger({ service: 'test', level: 'silent' });
  const tenants = createGrpcClient(TenantServiceService, {
    address: platform.authAddress,
    auth,
    callerName: 'operator',
    logger,
  });
  try {
    await tenants.createTenant({ tenantId, name: tenantId, limits: undefined, allowedOrigins: [] });
    const { appId, appSecret } = await tenants.createApp({ tenantId, name: 'app' });
    return { gatewayUrl: platform.gatewayUrl, app: { appId, appSecret } };
  } finally {
    tenants.close();
  }
};
