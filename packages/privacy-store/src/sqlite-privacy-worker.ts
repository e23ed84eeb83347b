/** The SQL half of the SQLite privacy store; runs in the database's thread. */
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { inTransaction } from '@caas/sqlite/handler';
import type { HoldRecord, JobPlace, JobRecord, RetentionRecord } from './port.ts';

export const migrations = [
  `CREATE TABLE job (
     tenant_id TEXT, job_id TEXT, rev INTEGER NOT NULL, created_at_ms INTEGER NOT NULL, due_at_ms INTEGER NOT NULL,
     destroying INTEGER NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (tenant_id, job_id)) STRICT;
   CREATE INDEX job_of_tenant ON job (tenant_id, created_at_ms, job_id);
   CREATE INDEX job_destroying ON job (tenant_id) WHERE destroying = 1;
   CREATE INDEX job_due ON job (due_at_ms) WHERE due_at_ms > 0;
   CREATE TABLE hold (tenant_id TEXT, hold_id TEXT, doc TEXT NOT NULL, PRIMARY KEY (tenant_id, hold_id)) STRICT, WITHOUT ROWID;
   CREATE TABLE retention (
     tenant_id TEXT, conversation_id TEXT, doc TEXT NOT NULL, PRIMARY KEY (tenant_id, conversation_id)) STRICT, WITHOUT ROWID;`,
];

type Row = Record<string, SQLOutputValue>;

const docOf = <T>(row: Row): T => JSON.parse(row['doc'] as string) as T;
const jobOf = (row: Row): JobRecord => ({ ...docOf<Omit<JobRecord, 'rev'>>(row), rev: row['rev'] as number });

/** Whether it has begun to destroy and not ended: then somebody has to go on with it. */
const isDestroying = ({ destroying, dueAtMs }: Omit<JobRecord, 'rev'>): number => Number(destroying && dueAtMs > 0);

const columnsOf = (job: Omit<JobRecord, 'rev'>, rev: number): SQLInputValue[] => [
  rev,
  job.createdAtMs,
  job.dueAtMs,
  isDestroying(job),
  JSON.stringify(job),
  job.tenantId,
  job.jobId,
];

const jobVerbs = (db: DatabaseSync) => {
  const insert = db.prepare(
    `INSERT INTO job (rev, created_at_ms, due_at_ms, destroying, doc, tenant_id, job_id) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT DO NOTHING`,
  );
  const update = db.prepare(
    `UPDATE job SET rev = ?, created_at_ms = ?, due_at_ms = ?, destroying = ?, doc = ?
     WHERE tenant_id = ? AND job_id = ? AND rev = ?`,
  );
  const one = db.prepare('SELECT * FROM job WHERE tenant_id = ? AND job_id = ?');
  const page = db.prepare(
    `SELECT * FROM job WHERE tenant_id = ? AND (created_at_ms, job_id) < (?, ?)
     ORDER BY created_at_ms DESC, job_id DESC LIMIT ?`,
  );
  const destroying = db.prepare(
    'SELECT * FROM job WHERE tenant_id = ? AND destroying = 1 AND job_id > ? ORDER BY job_id LIMIT ?',
  );
  const due = db.prepare('SELECT * FROM job WHERE due_at_ms > 0 AND due_at_ms <= ? ORDER BY due_at_ms LIMIT ?');
  return {
    createJob: (job: Omit<JobRecord, 'rev'>): boolean => insert.run(...columnsOf(job, 1)).changes === 1,
    getJob: ({ tenantId, jobId }: { tenantId: string; jobId: string }): JobRecord | undefined => {
      const row = one.get(tenantId, jobId);
      return row && jobOf(row);
    },
    replaceJob: ({ rev, ...job }: JobRecord): boolean => update.run(...columnsOf(job, rev + 1), rev).changes === 1,
    listJobs: ({ tenantId, after, limit }: { tenantId: string; after: JobPlace; limit: number }): JobRecord[] =>
      page.all(tenantId, after.createdAtMs, after.jobId, limit).map(jobOf),
    destroyingJobs: (args: { tenantId: string; afterJobId: string; limit: number }): JobRecord[] =>
      destroying.all(args.tenantId, args.afterJobId, args.limit).map(jobOf),
    dueJobs: ({ atMs, limit }: { atMs: number; limit: number }): JobRecord[] => due.all(atMs, limit).map(jobOf),
  };
};

const holdVerbs = (db: DatabaseSync) => {
  const others = db.prepare('SELECT count(*) AS n FROM hold WHERE tenant_id = ? AND hold_id <> ?');
  const put = db.prepare('INSERT INTO hold VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET doc = excluded.doc');
  const remove = db.prepare('DELETE FROM hold WHERE tenant_id = ? AND hold_id = ?');
  const all = db.prepare('SELECT doc FROM hold WHERE tenant_id = ? ORDER BY hold_id');
  return {
    putHold: ({ hold, max }: { hold: HoldRecord; max: number }): boolean =>
      inTransaction(db, () => {
        if ((others.get(hold.tenantId, hold.holdId)?.['n'] as number) >= max) return false;
        put.run(hold.tenantId, hold.holdId, JSON.stringify(hold));
        return true;
      }),
    removeHold: ({ tenantId, holdId }: { tenantId: string; holdId: string }): boolean =>
      remove.run(tenantId, holdId).changes === 1,
    listHolds: (tenantId: string): HoldRecord[] => all.all(tenantId).map((row) => docOf<HoldRecord>(row)),
  };
};

const retentionVerbs = (db: DatabaseSync) => {
  const put = db.prepare('INSERT INTO retention VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET doc = excluded.doc');
  const remove = db.prepare('DELETE FROM retention WHERE tenant_id = ? AND conversation_id = ?');
  const one = db.prepare('SELECT doc FROM retention WHERE tenant_id = ? AND conversation_id = ?');
  const page = db.prepare(
    `SELECT doc FROM retention WHERE tenant_id = :tenantId AND (:after IS NULL OR conversation_id > :after)
     ORDER BY conversation_id LIMIT :limit`,
  );
  const tenants = db.prepare('SELECT DISTINCT tenant_id FROM retention WHERE tenant_id > ? ORDER BY tenant_id LIMIT ?');
  return {
    putRetention: (rule: RetentionRecord): void => {
      if (rule.keepMs > 0) put.run(rule.tenantId, rule.conversationId, JSON.stringify(rule));
      else remove.run(rule.tenantId, rule.conversationId);
    },
    getRetentions: (args: { tenantId: string; conversationIds: readonly string[] }): (RetentionRecord | undefined)[] =>
      args.conversationIds.map((conversationId) => {
        const row = one.get(args.tenantId, conversationId);
        return row && docOf<RetentionRecord>(row);
      }),
    listRetentions: (args: { tenantId: string; after: string | null; limit: number }): RetentionRecord[] =>
      page.all(args).map((row) => docOf<RetentionRecord>(row)),
    retentionTenants: ({ after, limit }: { after: string; limit: number }): string[] =>
      tenants.all(after, limit).map((row) => row['tenant_id'] as string),
  };
};

export const open = (db: DatabaseSync) => ({ ...jobVerbs(db), ...holdVerbs(db), ...retentionVerbs(db) });
