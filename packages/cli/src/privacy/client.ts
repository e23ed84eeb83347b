import { createGrpcClient, type GrpcClient, operator } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { PrivacyServiceService } from '@caas/proto/caas/compliance/v1/privacy_service';
import { auditConfig } from '../audit/config.ts';
import { authOf } from '../audit/export-audit.ts';

export type Privacy = GrpcClient<typeof PrivacyServiceService>;

/** Works with PrivacyService as an operator. */
export const atCompliance = async (work: (privacy: Privacy) => Promise<void>): Promise<void> => {
  const config = auditConfig();
  const logger = createLogger({ service: operator, level: 'silent' });
  const options = { address: config.address, auth: authOf(config), callerName: operator, logger };
  const privacy = createGrpcClient(PrivacyServiceService, options);
  try {
    await work(privacy);
  } finally {
    privacy.close();
  }
};
