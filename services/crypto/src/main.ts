import { openKeys, openVault } from '@caas/engines';
import { runMain } from '@caas/kit';
import { chooseServiceAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { createCrypto } from './app.ts';
import { cryptoConfig } from './config.ts';

await runMain(async (signal) => {
  const config = cryptoConfig();
  const logger = createLogger({ service: 'crypto', level: config.logLevel });
  const serviceAuth = chooseServiceAuth('crypto', config, logger);
  const { engines, databaseFile, vaultFile: file, vaultPassphrase: passphrase } = config;
  const [store, vault] = await Promise.all([
    openKeys(engines, databaseFile),
    openVault(engines, { file, passphrase }, logger),
  ]);
  try {
    const crypto = await createCrypto({ store, vault, serviceAuth, config, logger });
    logger.info({ address: crypto.address }, 'crypto listens');
    await crypto.run(signal);
  } finally {
    await Promise.all([store.close(), vault.close()]);
  }
});
