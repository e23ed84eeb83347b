import { memoryRateLimits } from '@caas/key-value';
import { runMain } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { createGateway } from './app.ts';
import { gatewayConfig } from './config.ts';

await runMain(async (signal) => {
  const config = gatewayConfig();
  const { serviceToken: token } = config;
  if (token === undefined) throw new ConfigError('gateway cannot start: CAAS_SERVICE_TOKEN is not set');
  const logger = createLogger({ service: 'gateway', level: config.logLevel });
  const rateLimits = memoryRateLimits();
  const gateway = await createGateway({
    serviceAuth: sharedTokenAuth({ token }),
    rateLimits,
    localRateLimits: rateLimits,
    config,
    logger,
  });
  logger.info({ url: gateway.url }, 'gateway listens');
  await gateway.run(signal);
});
