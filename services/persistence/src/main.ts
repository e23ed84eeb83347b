import { openInbox, openKeyValue, openLog, openMessages } from '@caas/engines';
import { runMain } from '@caas/kit';
import { chooseServiceAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { persistenceConfig } from './config.ts';
import { servePersistence } from './serve.ts';

await runMain(async (signal) => {
  const config = persistenceConfig();
  const { engines, grpcAddress } = config;
  const logger = createLogger({ service: 'persistence', level: config.logLevel });
  const serviceAuth = chooseServiceAuth('persistence', config, logger);
  const [log, store, keyValue, inbox] = await Promise.all([
    openLog(engines, config.logFile, logger),
    openMessages(engines, config.messagesFile, config.storeTimeoutMs),
    openKeyValue(engines, logger),
    openInbox(engines, logger),
  ]);
  try {
    const parts = { log, store, keyValue, inbox, config, logger, grpcAddress, serviceAuth };
    const persistence = await servePersistence(parts);
    logger.info({ address: persistence.grpcAddress }, 'persistence listens');
    await persistence.run(signal);
  } finally {
    await Promise.all([log.close(), store.close(), keyValue.close(), inbox.close()]);
  }
});
