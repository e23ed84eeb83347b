import { openAuditWriter } from '@caas/compliance-client/audit';
import { keySource } from '@caas/compliance-client/keys';
import { openAccounts, openInbox, openKeyValue, openLog, openMessages, openPolicies } from '@caas/engines';
import { runMain } from '@caas/kit';
import { ConfigError } from '@caas/kit/config';
import { chooseServiceAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { createSocketNode } from './app.ts';
import { authClients } from './auth-clients.ts';
import { socketConfig } from './config.ts';
import { mediaClient } from './media-client.ts';
import { policyClient } from './policy-clients.ts';
import { searchClient } from './search-client.ts';

await runMain(async (signal) => {
  const { hashKey, engines, ...config } = socketConfig();
  if (hashKey === undefined) throw new ConfigError('socket cannot start: CAAS_HASH_KEY is not set');
  const logger = createLogger({ service: config.nodeId, level: config.logLevel });
  const serviceAuth = chooseServiceAuth('socket', config, logger);
  const auth = authClients(config.authAddress, serviceAuth, logger);
  const keys = keySource({ address: config.cryptoAddress, auth: serviceAuth, callerName: 'socket', logger });
  const media = mediaClient(config.mediaAddress, serviceAuth, logger);
  const search = config.searchAddress ? searchClient(config.searchAddress, serviceAuth, logger) : undefined;
  const [log, store, accounts, kept, keyValue, inbox] = await Promise.all([
    openLog(engines, config.logFile, logger),
    openMessages(engines, config.messagesFile),
    openAccounts(engines, config.accountsFile),
    openPolicies(engines, config.policiesFile),
    openKeyValue(engines, logger),
    openInbox(engines, logger),
  ]);
  try {
    const audit = await openAuditWriter({ log, service: config.nodeId, ...config.audit, logger });
    const policies = policyClient(config, kept, serviceAuth, logger);
    const stores = { log, store, users: accounts.users, keyValue, inbox };
    const ports = { ...stores, auth, keys, media, audit, policies, search, serviceAuth };
    const sealEnvelopes = config.sealContent && engines.redisSocket !== undefined;
    const node = await createSocketNode(ports, { ...config, hashKey, sealEnvelopes }, logger);
    logger.info({ socket: node.url }, 'socket node listens');
    await node.run(signal);
  } finally {
    auth.close();
    keys.close();
    media.close();
    search?.close();
    await Promise.all([log, store, accounts, kept, keyValue, inbox].map((engine) => engine.close()));
  }
});
