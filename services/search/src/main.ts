import { keySource } from '@caas/compliance-client/keys';
import { openLog, openMessages, openSearchIndex } from '@caas/engines';
import { runMain } from '@caas/kit';
import { chooseServiceAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { createSearch } from './app.ts';
import { searchConfig } from './config.ts';

await runMain(async (signal) => {
  const config = searchConfig();
  const { engines } = config;
  const logger = createLogger({ service: 'search', level: config.logLevel });
  const serviceAuth = chooseServiceAuth('search', config, logger);
  const keys = keySource({ address: config.cryptoAddress, auth: serviceAuth, callerName: 'search', logger });
  const [log, store, index] = await Promise.all([
    openLog(engines, config.logFile, logger),
    openMessages(engines, config.messagesFile),
    openSearchIndex(engines, config.indexFile, logger),
  ]);
  try {
    const search = await createSearch({ log, store, index, keys, config, serviceAuth, logger });
    logger.info({ address: search.address }, 'search listens');
    await search.run(signal);
  } finally {
    keys.close();
    await Promise.all([log.close(), store.close(), index.close()]);
  }
});
