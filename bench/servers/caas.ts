/** The platform as `npm start` runs it, with rates that a load generator does not meet. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createGrpcClient, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { platformConfig, startPlatform } from '@caas/platform';
import { PolicyServiceService } from '@caas/proto/caas/compliance/v1/policy_service';
import { serve } from '../lib/serve.ts';
import { benchPolicy } from './bench-policy.ts';

// Beside the project and not in the system's folder for such: that may be memory, where a sync costs nothing.
const folder = join(import.meta.dirname, '../../.cache/bench');
await mkdir(folder, { recursive: true });
const dataDir = await mkdtemp(join(folder, 'caas-'));
const anyPort = { GATEWAY_PORT: '0', SOCKET_1_PORT: '0', SOCKET_2_PORT: '0', MEDIA_PORT: '0', AUTH_GRPC_PORT: '0' };
// Content is sealed, as it is by default, unless a bench wants to know what that costs.
const sealing = { SOCKET_SEAL_CONTENT: process.env['SOCKET_SEAL_CONTENT'] ?? 'true' };
const search = process.env['CAAS_SEARCH'] ?? 'true';
const operatorToken = 'the-operator-of-a-bench';
const stop = new AbortController();
const platform = await startPlatform({
  ...platformConfig({
    ...anyPort,
    ...sealing,
    CAAS_SEARCH: search,
    CAAS_DATA: dataDir,
    LOG_LEVEL: 'error',
    CAAS_DRAIN: '100',
  }),
  operatorToken,
  limits: { sendsPerSecond: 1e6, sendsBurst: 1e6, framesPerMinute: 1e8, maxConnections: 1e4 },
});
const running = platform.run(stop.signal);
running.catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
});
const { gatewayUrl, socketUrls, app, complianceAddress } = platform;
if (process.env['BENCH_POLICY'] === 'true') {
  const policies = createGrpcClient(PolicyServiceService, {
    address: complianceAddress,
    auth: sharedTokenAuth({ token: 'not-the-services-token', operatorToken }),
    callerName: 'operator',
    logger: createLogger({ service: 'bench', level: 'error' }),
  });
  await policies.putPolicy({ policy: benchPolicy('dev') });
  policies.close();
}
serve({ gatewayUrl, urls: socketUrls, app }, async () => {
  stop.abort();
  await running;
  await rm(dataDir, { recursive: true, force: true });
});
