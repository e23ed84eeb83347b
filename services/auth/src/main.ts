import { openAuditWriter } from '@caas/compliance-client/audit';
import { openAccounts, openLog } from '@caas/engines';
import { runMain } from '@caas/kit';
import { chooseServiceAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { rootKeyFromFile } from '@caas/kit/sealing';
import { createAuth } from './app.ts';
import { authConfig } from './config.ts';

await runMain(async (signal) => {
  const config = authConfig();
  const logger = createLogger({ service: 'auth', level: config.logLevel });
  const serviceAuth = chooseServiceAuth('auth', config, logger);
  const [accounts, log] = await Promise.all([
    openAccounts(config.engines, config.databaseFile),
    openLog(config.engines, config.logFile, logger),
  ]);
  try {
    const rootKey = await rootKeyFromFile(config.rootKeyFile);
    const audit = await openAuditWriter({ log, service: 'auth', ...config.audit, logger });
    const auth = await createAuth({ accounts, audit, rootKey, serviceAuth, config, logger });
    // Only the platform has a development app, and then listens on loopback; of a gateway elsewhere nobody knows.
    await auth.closeDevelopment();
    logger.info({ address: auth.address }, 'auth listens');
    await auth.run(signal);
  } finally {
    await Promise.all([accounts.close(), log.close()]);
  }
});
