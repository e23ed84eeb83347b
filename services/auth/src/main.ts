import { openAccounts } from '@caas/engines';
import { rootKeyFromFile } from '@caas/key-vault';
import { runMain } from '@caas/kit';
import { chooseServiceAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { createAuth } from './app.ts';
import { authConfig } from './config.ts';

await runMain(async (signal) => {
  const config = authConfig();
  const logger = createLogger({ service: 'auth', level: config.logLevel });
  const serviceAuth = chooseServiceAuth('auth', config, logger);
  const accounts = await openAccounts(config.engines, config.databaseFile);
  try {
    const rootKey = await rootKeyFromFile(config.rootKeyFile);
    const auth = await createAuth({ accounts, rootKey, serviceAuth, config, logger });
    // Only the platform has a development app, and then listens on loopback; of a gateway elsewhere nobody knows.
    await auth.closeDevelopment();
    logger.info({ address: auth.address }, 'auth listens');
    await auth.run(signal);
  } finally {
    await accounts.close();
  }
});
