import { PolicyClient, type PolicySource } from '@caas/compliance-client/policy-client';
import type { Logger } from '@caas/kit';
import { createGrpcClient, type ServiceAuth } from '@caas/kit/grpc';
import { PolicyServiceService } from '@caas/proto/caas/compliance/v1/policy_service';

export interface PolicyClientSettings {
  /** `host:port` of compliance's gRPC. */
  complianceAddress: string;
  /** How long a policy is good without a word from compliance or the store, in milliseconds. */
  policyHoldMs: number;
}

/** Judges by the tenants' policies, asking the source while compliance is away; for a node to be built with. `run` closes it. */
export const policyClient = (
  { complianceAddress: address, policyHoldMs: holdMs }: PolicyClientSettings,
  source: PolicySource,
  auth: ServiceAuth,
  logger: Logger,
): PolicyClient => {
  const service = createGrpcClient(PolicyServiceService, { address, auth, callerName: 'socket', logger });
  return new PolicyClient({ service, source, logger, holdMs });
};
