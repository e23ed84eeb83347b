import { createGrpcClient, type GrpcClient, sharedTokenAuth } from '@caas/kit/grpc';
import { createLogger } from '@caas/kit/log';
import { until } from '@caas/kit/testing/until';
import type { Platform } from '@caas/platform';
import { type Job, JobState, PrivacyServiceService } from '@caas/proto/caas/compliance/v1/privacy_service';
import { operatorToken } from './tenants.ts';

export type PrivacyClient = GrpcClient<typeof PrivacyServiceService>;

/** PrivacyService of a platform as an operator calls it. */
export const privacyOf = ({ complianceAddress }: Pick<Platform, 'complianceAddress'>): PrivacyClient =>
  createGrpcClient(PrivacyServiceService, {
    address: complianceAddress,
    auth: sharedTokenAuth({ token: 'not-the-services-token', operatorToken }),
    callerName: 'operator',
    logger: createLogger({ service: 'test', level: 'silent' }),
  });

/** A job when it has ended. */
export const ended = async (
  client: Pick<PrivacyClient, 'getJob'>,
  job: Job | undefined,
  deadlineMs = 30_000,
): Promise<Job> => {
  const { tenantId = '', jobId = '' } = job ?? {};
  const open: JobState[] = [JobState.JOB_STATE_QUEUED, JobState.JOB_STATE_RUNNING];
  const last = await until(
    `the end of job ${jobId}`,
    // A compliance that is being started anew says nothing.
    async () => (await client.getJob({ tenantId, jobId }).catch(() => undefined))?.job,
    (now) => now && !open.includes(now.state),
    deadlineMs,
  );
  return last as Job;
};
