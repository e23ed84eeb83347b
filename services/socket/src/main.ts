import { openSqliteAccountStore } from '@caas/account-store';
import { openSqliteEventLog } from '@caas/event-log';
import { memoryKeyValue, memoryNodeInbox } from '@caas/key-value';
import { runMain } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { openSqliteMessageStore } from '@caas/message-store';
import { createSocketNode } from './app.ts';
import { authClients } from './auth-clients.ts';
import { socketConfig } from './config.ts';

await runMain(async (signal) => {
  const { serviceToken: token, hashKey, ...config } = socketConfig();
  if (token === undefined) throw new ConfigError('socket cannot start: CAAS_SERVICE_TOKEN is not set');
  if (hashKey === undefined) throw new ConfigError('socket cannot start: CAAS_HASH_KEY is not set');
  const logger = createLogger({ service: config.nodeId, level: config.logLevel });
  const serviceAuth = sharedTokenAuth({ token });
  const auth = authClients(config.authAddress, serviceAuth, logger);
  const [log, store, accounts] = await Promise.all([
    openSqliteEventLog({
      file: config.logFile,
      onFault: (err, where) => logger.warn({ err, ...where }, 'event log fault'),
    }),
    openSqliteMessageStore({ file: config.messagesFile }),
    openSqliteAccountStore({ file: config.accountsFile }),
  ]);
  const ports = {
    log,
    store,
    users: accounts.users,
    keyValue: memoryKeyValue(),
    inbox: memoryNodeInbox({ onFault: (err) => logger.warn({ err }, 'node inbox fault') }),
    auth,
    serviceAuth,
  };
  try {
    const node = await createSocketNode(ports, { ...config, hashKey }, logger);
    logger.info({ url: node.url }, 'socket node listens');
    await node.run(signal);
  } finally {
    auth.close();
    await Promise.all([log.close(), store.close(), accounts.close()]);
  }
});
