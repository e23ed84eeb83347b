import type { GetJobRequest, GetJobResponse } from '@caas/proto/caas/compliance/v1/privacy_service';
import type { PrivacyCore } from '../privacy/core.ts';
import { jobOf, jobView } from '../privacy/jobs.ts';

/** Reads a job. */
export const getJob =
  (core: PrivacyCore) =>
  async ({ tenantId, jobId }: GetJobRequest): Promise<GetJobResponse> => ({
    job: jobView(await jobOf(core, tenantId, jobId)),
  });
