import { openSqliteEventLog } from '@caas/event-log';
import { memoryKeyValue, memoryNodeInbox } from '@caas/key-value';
import { runMain } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { openSqliteMessageStore } from '@caas/message-store';
import { persistenceConfig } from './config.ts';
import { servePersistence } from './serve.ts';

await runMain(async (signal) => {
  const config = persistenceConfig();
  const { serviceToken: token, grpcAddress } = config;
  if (token === undefined) throw new ConfigError('persistence cannot start: CAAS_SERVICE_TOKEN is not set');
  const serviceAuth = sharedTokenAuth({ token });
  const logger = createLogger({ service: 'persistence', level: config.logLevel });
  const log = await openSqliteEventLog({
    file: config.logFile,
    onFault: (err, where) => logger.warn({ err, ...where }, 'event log fault'),
  });
  const store = await openSqliteMessageStore({
    file: config.messagesFile,
    commandTimeoutMs: config.storeTimeoutMs,
  });
  const keyValue = memoryKeyValue();
  const inbox = memoryNodeInbox({ onFault: (err) => logger.warn({ err }, 'node inbox fault') });
  const parts = { log, store, keyValue, inbox, config, logger, grpcAddress, serviceAuth };
  const persistence = await servePersistence(parts);
  await persistence.run(signal);
  await Promise.all([log.close(), store.close(), keyValue.close(), inbox.close()]);
});
