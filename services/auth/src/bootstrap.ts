import { newSecret, sha256 } from '@caas/kit';
import type { AccountRoles } from './core.ts';

/** The tenant and app of an installation that nobody has set up yet. */
export const developmentTenantId = 'dev';
export const developmentAppId = 'dev-app';

export interface DevelopmentApp {
  appId: string;
  appSecret: string;
}

/** Leaves the development app of earlier starts, if there is one, with a secret that nobody knows. */
export const closeDevelopment = async (
  { apps }: Pick<AccountRoles, 'apps'>,
  { nowMs }: { nowMs: number },
): Promise<void> => {
  const app = await apps.get(developmentAppId);
  if (app) await apps.replaceSecrets(app.appId, app.version, [{ hash: sha256(newSecret()), createdAtMs: nowMs }]);
};

/**
 * Makes sure that the development tenant has its app with this secret and no other. The caller made the secret and keeps
 * it where a developer finds it; calling again with another secret replaces it. For loopback installations only.
 */
export const bootstrapDevelopment = async (
  accounts: Pick<AccountRoles, 'tenants' | 'apps'>,
  { appSecret, nowMs }: { appSecret: string; nowMs: number },
): Promise<DevelopmentApp> => {
  const [tenantId, appId] = [developmentTenantId, developmentAppId];
  const secrets = [{ hash: sha256(appSecret), createdAtMs: nowMs }];
  await accounts.tenants.create({ tenantId, name: 'Development', createdAtMs: nowMs, limits: {}, allowedOrigins: [] });
  await accounts.apps.create({ appId, tenantId, name: 'Development', createdAtMs: nowMs, secrets });
  const app = await accounts.apps.get(appId);
  const isCurrent = app?.secrets.length === 1 && app.secrets[0]?.hash === secrets[0]?.hash;
  if (app && !isCurrent) await accounts.apps.replaceSecrets(appId, app.version, secrets);
  return { appId, appSecret };
};
