import type { GrpcClient } from '@caas/kit/grpc';
import { PrivacyServiceService } from '@caas/proto/caas/compliance/v1/privacy_service';
import { withCompliance } from '../at-compliance.ts';

export type Privacy = GrpcClient<typeof PrivacyServiceService>;

/** Works with PrivacyService as an operator. */
export const atCompliance = (work: (privacy: Privacy) => Promise<void>): Promise<void> =>
  withCompliance(PrivacyServiceService, work);
