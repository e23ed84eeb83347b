import { openAuditWriter } from '@caas/compliance-client/audit';
import { openAuditStore, openLog, openMessages, openPolicies, openPrivacyStore } from '@caas/engines';
import { runMain } from '@caas/kit';
import { chooseServiceAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { rootKeyFromFile } from '@caas/kit/sealing';
import { createCompliance } from './app.ts';
import { complianceConfig } from './config.ts';
import { privacyClients } from './privacy/clients.ts';

await runMain(async (signal) => {
  const config = complianceConfig();
  const logger = createLogger({ service: 'compliance', level: config.logLevel });
  const serviceAuth = chooseServiceAuth('compliance', config, logger);
  const clients = privacyClients(config, serviceAuth, logger);
  const [log, audit, policies, privacy, messages, rootKey] = await Promise.all([
    openLog(config.engines, config.logFile, logger),
    openAuditStore(config.engines, config.auditFile),
    openPolicies(config.engines, config.policiesFile),
    openPrivacyStore(config.engines, config.privacyFile),
    openMessages(config.engines, config.messagesFile),
    rootKeyFromFile(config.rootKeyFile),
  ]);
  try {
    const writer = await openAuditWriter({ log, service: 'compliance', ...config.audit, logger });
    const stores = { log, audit, policies, privacy, messages, clients };
    const compliance = await createCompliance({ ...stores, writer, rootKey, serviceAuth, config, logger });
    logger.info({ address: compliance.address }, 'compliance listens');
    await compliance.run(signal);
  } finally {
    clients.close();
    await Promise.all([log.close(), audit.close(), policies.close(), privacy.close(), messages.close()]);
  }
});
