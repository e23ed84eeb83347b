import { createGrpcClient, type GrpcClient, operator, type ServiceDefinition } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { auditConfig } from './audit/config.ts';
import { authOf } from './audit/export-audit.ts';

/** Works with a service of compliance as an operator. */
export const withCompliance = async <S extends ServiceDefinition>(
  definition: S,
  work: (service: GrpcClient<S>) => Promise<void>,
): Promise<void> => {
  const config = auditConfig();
  const logger = createLogger({ service: operator, level: 'silent' });
  const options = { address: config.address, auth: authOf(config), callerName: operator, logger };
  const service = createGrpcClient(definition, options);
  try {
    await work(service);
  } finally {
    service.close();
  }
};
