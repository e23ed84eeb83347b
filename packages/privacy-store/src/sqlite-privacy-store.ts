import { openSqliteHost } from '@caas/sqlite';
import { assertCount } from './limits.ts';
import { maxHolds, type PrivacyStore } from './port.ts';
import type { open } from './sqlite-privacy-worker.ts';

/** Before the newest job there can be. */
const newest = { createdAtMs: Number.MAX_SAFE_INTEGER, jobId: '' };

/** Opens the privacy store in a SQLite file of its own. Rejects UNAVAILABLE or INTERNAL when it cannot be opened. */
export const openSqlitePrivacyStore = async ({ file }: { file: string }): Promise<PrivacyStore> => {
  const module = new URL('./sqlite-privacy-worker.ts', import.meta.url);
  const host = await openSqliteHost<ReturnType<typeof open>>({ file, module });
  return {
    jobs: {
      create: (job) => host.call('createJob', job),
      get: (tenantId, jobId) => host.call('getJob', { tenantId, jobId }),
      replace: (job) => host.call('replaceJob', job),
      list: async (tenantId, after = newest, limit) => {
        assertCount(limit);
        return host.call('listJobs', { tenantId, after, limit });
      },
      destroying: async (tenantId, afterJobId, limit) => {
        assertCount(limit);
        return host.call('destroyingJobs', { tenantId, afterJobId, limit });
      },
      due: async (atMs, limit) => {
        assertCount(limit);
        return host.call('dueJobs', { atMs, limit });
      },
    },
    holds: {
      put: (hold) => host.call('putHold', { hold, max: maxHolds }),
      remove: (tenantId, holdId) => host.call('removeHold', { tenantId, holdId }),
      list: (tenantId) => host.call('listHolds', tenantId),
    },
    retention: {
      put: (rule) => host.call('putRetention', rule),
      getMany: async (tenantId, conversationIds) => {
        assertCount(conversationIds.length);
        return conversationIds.length === 0 ? [] : host.call('getRetentions', { tenantId, conversationIds });
      },
      list: async (tenantId, after, limit) => {
        assertCount(limit);
        return host.call('listRetentions', { tenantId, after: after ?? null, limit });
      },
      tenants: async (after, limit) => {
        assertCount(limit);
        return host.call('retentionTenants', { after, limit });
      },
    },
    close: () => host.close(),
  };
};
