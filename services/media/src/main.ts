import { keySource } from '@caas/compliance-client/keys';
import { openMediaRecords, openObjects } from '@caas/engines';
import { runMain } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { chooseServiceAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { createMedia } from './app.ts';
import { mediaConfig } from './config.ts';

await runMain(async (signal) => {
  const { hashKey, ...config } = mediaConfig();
  if (hashKey === undefined) throw new ConfigError('media cannot start: CAAS_HASH_KEY is not set');
  const logger = createLogger({ service: 'media', level: config.logLevel });
  const serviceAuth = chooseServiceAuth('media', config, logger);
  const keys = keySource({ address: config.cryptoAddress, auth: serviceAuth, callerName: 'media', logger });
  const [store, objects] = await Promise.all([
    openMediaRecords(config.engines, config.databaseFile),
    openObjects(config.engines, config.folder),
  ]);
  try {
    const media = await createMedia({ store, objects, keys, serviceAuth, config: { ...config, hashKey }, logger });
    logger.info({ address: media.address, http: media.url }, 'media listens');
    await media.run(signal);
  } finally {
    keys.close();
    await Promise.all([store.close(), objects.close()]);
  }
});
