import { join } from 'node:path';
import type { PlatformConfig } from './config.ts';
import type { Platform } from './start.ts';

type Told = Pick<PlatformConfig, 'dataDir' | 'host' | 'operatorToken' | 'services' | 'unusedEngines'>;

const anyAddress = ['0.0.0.0', '::'];

/** How an operator makes the first tenant: the token is named, not shown. */
const operatorLines = (authAddress: string): string[] => {
  const call = (method: string, request: object): string[] => [
    `  grpcurl -plaintext -H 'caas-service: operator' -H "caas-service-token: $CAAS_OPERATOR_TOKEN" \\`,
    `    -d '${JSON.stringify(request)}' ${authAddress} caas.auth.v1.TenantService/${method}`,
  ];
  return [
    'Create a tenant, and an app whose id and secret its backend trades for tokens:',
    ...call('CreateTenant', { tenant_id: 'acme', name: 'Acme' }),
    ...call('CreateApp', { tenant_id: 'acme', name: 'Backend' }),
  ];
};

/** What a developer or operator needs to know after `npm start`. Only a development secret, on loopback, is shown. */
export const banner = (platform: Platform, { dataDir, host, operatorToken, services, unusedEngines }: Told): string => {
  const { gatewayUrl, socketUrls, mediaUrl, authAddress, complianceAddress, app } = platform;
  const told = services.gateway.socketUrls;
  const lines = [
    'CAAS is up.',
    `  gateway   ${gatewayUrl}   (${gatewayUrl}/openapi.json)`,
    ...socketUrls.map((url, i) => `  socket ${i + 1}  ${url}`),
    ...(told.length > 0 ? [`  told      ${told.join(' ')}   (to clients, in place of these)`] : []),
    `  media     ${mediaUrl}   (addresses signed by the service; see MEDIA_PUBLIC_URL)`,
    `  auth      ${authAddress}   (gRPC, with reflection)`,
    `  audit     ${complianceAddress}   (gRPC: caas.compliance.v1)`,
    `  data      ${dataDir}`,
  ];
  if (app) {
    lines.push(
      `  app       ${app.appId}   secret ${app.appSecret}   (also in ${join(dataDir, 'dev.env')})`,
      '',
      'Try it:  npm run demo',
      'Or get a token:',
      `  curl -s ${gatewayUrl}/api/v1/auth/sdk/token -H 'content-type: application/json' \\`,
      `    -d '{"app_id":"${app.appId}","app_secret":"${app.appSecret}","user_external_id":"alice"}'`,
    );
  }
  if (unusedEngines.length > 0)
    lines.push(
      '',
      `Not used here: ${unusedEngines.join(', ')}. What npm start runs has its own engines; npm run service takes these.`,
    );
  if (told.length === 0 && anyAddress.includes(host))
    lines.push('', `Clients are told ${socketUrls.join(' ')}: set SOCKET_SERVICE_1_URL … to what they can reach.`);
  if (operatorToken !== undefined) lines.push('', ...operatorLines(authAddress));
  else if (!app) lines.push('', 'There is no operator: set CAAS_OPERATOR_TOKEN to create tenants and apps.');
  return `${lines.join('\n')}\n\n`;
};
