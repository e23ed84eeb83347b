/** Jobs, holds and rules as they lie in MongoDB: one document each. `_id` is what identifies, the tenant in it first. */
import { type CollectionIndexes, textKey } from '@caas/mongo';
import type { Collection, Db } from 'mongodb';
import type { HoldRecord, JobRecord, RetentionRecord } from '../port.ts';

interface Row {
  _id: string;
}
/** `dueAtMs` is absent once nobody has to go on with it, so that its index holds the others alone. */
export type JobRow = Row & Omit<JobRecord, 'dueAtMs'> & { dueAtMs?: number };
export type HoldRow = Row & HoldRecord;
export type RetentionRow = Row & RetentionRecord;

export const mongoPrivacyIndexes: readonly CollectionIndexes[] = [
  {
    collection: 'privacy_jobs',
    indexes: [
      { name: 'tenant', key: { tenantId: 1, createdAtMs: 1, jobId: 1 } },
      { name: 'due', key: { dueAtMs: 1 }, sparse: true },
    ],
  },
  { collection: 'legal_holds', indexes: [{ name: 'tenant', key: { tenantId: 1, holdId: 1 } }] },
  { collection: 'retention_rules', indexes: [{ name: 'tenant', key: { tenantId: 1, conversationId: 1 } }] },
];

export const jobsOf = (db: Db): Collection<JobRow> => db.collection('privacy_jobs');
export const holdsOf = (db: Db): Collection<HoldRow> => db.collection('legal_holds');
export const retentionOf = (db: Db): Collection<RetentionRow> => db.collection('retention_rules');

export const keyOf = (tenantId: string, id: string): string => textKey(tenantId, id);

export const rowOf = ({ dueAtMs, certificate, ...job }: JobRecord): JobRow => ({
  ...job,
  _id: keyOf(job.tenantId, job.jobId),
  ...(certificate && { certificate }),
  ...(dueAtMs > 0 && { dueAtMs }),
});

export const jobOf = ({ _id, dueAtMs = 0, ...job }: JobRow): JobRecord => ({ ...job, dueAtMs });

/** A document without its key. */
export const bare = <R extends Row>({ _id, ...rest }: R): Omit<R, '_id'> => rest;
