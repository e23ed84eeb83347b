import { openRateLimits } from '@caas/engines';
import { memoryRateLimits } from '@caas/key-value';
import { runMain } from '@caas/kit';
import { chooseServiceAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { createGateway } from './app.ts';
import { gatewayConfig } from './config.ts';

await runMain(async (signal) => {
  const config = gatewayConfig();
  const logger = createLogger({ service: 'gateway', level: config.logLevel });
  const serviceAuth = chooseServiceAuth('gateway', config, logger);
  const rateLimits = await openRateLimits(config.engines, logger);
  const localRateLimits = memoryRateLimits();
  try {
    const gateway = await createGateway({ serviceAuth, rateLimits, localRateLimits, config, logger });
    logger.info({ http: gateway.url }, 'gateway listens');
    await gateway.run(signal);
  } finally {
    await Promise.all([rateLimits.close(), localRateLimits.close()]);
  }
});
