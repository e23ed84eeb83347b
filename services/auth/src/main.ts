import { openSqliteAccountStore } from '@caas/account-store';
import { runMain } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { createAuth } from './app.ts';
import { authConfig } from './config.ts';
import { rootKeyFromFile } from './key-sealing.ts';

await runMain(async (signal) => {
  const config = authConfig();
  const { serviceToken: token, operatorToken } = config;
  if (token === undefined) throw new ConfigError('auth cannot start: CAAS_SERVICE_TOKEN is not set');
  const logger = createLogger({ service: 'auth', level: config.logLevel });
  const accounts = await openSqliteAccountStore({ file: config.databaseFile });
  try {
    const auth = await createAuth({
      accounts,
      rootKey: await rootKeyFromFile(config.rootKeyFile),
      serviceAuth: sharedTokenAuth({ token, ...(operatorToken !== undefined && { operatorToken }) }),
      config,
      logger,
    });
    // Only the platform has a development app, and then listens on loopback; of a gateway elsewhere nobody knows.
    await auth.closeDevelopment();
    logger.info({ address: auth.address }, 'auth listens');
    await auth.run(signal);
  } finally {
    await accounts.close();
  }
});
