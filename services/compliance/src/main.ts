import { openAuditWriter } from '@caas/compliance-client/audit';
import { openAuditStore, openLog, openPolicies } from '@caas/engines';
import { runMain } from '@caas/kit';
import { chooseServiceAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { rootKeyFromFile } from '@caas/kit/sealing';
import { createCompliance } from './app.ts';
import { complianceConfig } from './config.ts';

await runMain(async (signal) => {
  const config = complianceConfig();
  const logger = createLogger({ service: 'compliance', level: config.logLevel });
  const serviceAuth = chooseServiceAuth('compliance', config, logger);
  const [log, audit, policies, rootKey] = await Promise.all([
    openLog(config.engines, config.logFile, logger),
    openAuditStore(config.engines, config.auditFile),
    openPolicies(config.engines, config.policiesFile),
    rootKeyFromFile(config.rootKeyFile),
  ]);
  try {
    const writer = await openAuditWriter({ log, service: 'compliance', ...config.audit, logger });
    const compliance = await createCompliance({ log, audit, policies, writer, rootKey, serviceAuth, config, logger });
    logger.info({ address: compliance.address }, 'compliance listens');
    await compliance.run(signal);
  } finally {
    await Promise.all([log.close(), audit.close(), policies.close()]);
  }
});
