import { fail } from '@caas/kit';
import type { JobPlace } from '@caas/privacy-store';
import type { ListJobsRequest, ListJobsResponse } from '@caas/proto/caas/compliance/v1/privacy_service';
import { jobsPage } from '../limits.ts';
import type { PrivacyCore } from '../privacy/core.ts';
import { jobView } from '../privacy/jobs.ts';

const encodeCursor = ({ createdAtMs, jobId }: JobPlace): string =>
  Buffer.from(`${createdAtMs}.${jobId}`).toString('base64url');

const decodeCursor = (cursor: string): JobPlace => {
  const match = /^(\d{1,16})\.([\w-]+)$/.exec(Buffer.from(cursor, 'base64url').toString());
  return match
    ? { createdAtMs: Number(match[1]), jobId: match[2] as string }
    : fail('CURSOR_INVALID', 'not a cursor of this service', { details: { field: 'cursor' } });
};

/** Lists a tenant's jobs, newest first. */
export const listJobs =
  ({ store }: Pick<PrivacyCore, 'store'>) =>
  async ({ tenantId, cursor }: ListJobsRequest): Promise<ListJobsResponse> => {
    const jobs = await store.jobs.list(tenantId, cursor === '' ? undefined : decodeCursor(cursor), jobsPage);
    const last = jobs.at(-1);
    return { jobs: jobs.map(jobView), nextCursor: last && jobs.length === jobsPage ? encodeCursor(last) : '' };
  };
