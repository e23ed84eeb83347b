import { openSqliteEventLog } from '@caas/event-log';
import { memoryKeyValue, memoryNodeInbox } from '@caas/key-value';
import { runMain } from '@caas/kit';
import { createLogger } from '@caas/kit/log';
import { openSqliteMessageStore } from '@caas/message-store';
import { createPersistence } from './app.ts';
import { persistenceConfig } from './config.ts';

await runMain(async (signal) => {
  const config = persistenceConfig();
  const logger = createLogger({ service: 'persistence', level: config.logLevel });
  const log = await openSqliteEventLog({ file: config.logFile });
  const store = await openSqliteMessageStore({
    file: config.messagesFile,
    commandTimeoutMs: config.storeTimeoutMs,
  });
  const keyValue = memoryKeyValue();
  const inbox = memoryNodeInbox();
  await createPersistence({ log, store, keyValue, inbox, config, logger }).run(signal);
  await Promise.all([log.close(), store.close(), keyValue.close(), inbox.close()]);
});
