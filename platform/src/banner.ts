import { join } from 'node:path';
import type { Platform } from './start.ts';

/** What a developer needs to know after `npm start`. The app's secret is shown: it is a development one, on loopback. */
export const banner = (platform: Platform, dataDir: string): string => {
  const { gatewayUrl, socketUrls, authAddress, app } = platform;
  const lines = [
    'CAAS is up.',
    `  gateway   ${gatewayUrl}   (${gatewayUrl}/openapi.json)`,
    ...socketUrls.map((url, i) => `  socket ${i + 1}  ${url}`),
    `  auth      ${authAddress}   (gRPC, with reflection)`,
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
  return `${lines.join('\n')}\n\n`;
};
