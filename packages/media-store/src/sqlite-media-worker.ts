/** The SQL half of the SQLite media store; runs in the database's thread. */
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { inTransaction } from '@caas/sqlite/handler';
import type { MediaRecord } from './port.ts';

export const migrations = [
  `CREATE TABLE media (
     tenant_id TEXT, media_id TEXT, user_id TEXT NOT NULL, rev INTEGER NOT NULL, state INTEGER NOT NULL,
     due_at_ms INTEGER NOT NULL, sealed_name BLOB NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (tenant_id, media_id)) STRICT;
   CREATE INDEX media_of_user ON media (tenant_id, user_id, media_id);
   CREATE INDEX media_due ON media (due_at_ms) WHERE due_at_ms > 0;`,
  `ALTER TABLE media ADD COLUMN size_bytes INTEGER NOT NULL GENERATED ALWAYS AS (json_extract(doc, '$.sizeBytes')) VIRTUAL;
   CREATE INDEX media_size ON media (tenant_id, state, size_bytes);`,
];

type Row = Record<string, SQLOutputValue>;

const recordOf = (row: Row): MediaRecord => ({
  ...(JSON.parse(row['doc'] as string) as Omit<MediaRecord, 'sealedName' | 'rev'>),
  rev: row['rev'] as number,
  sealedName: row['sealed_name'] as Uint8Array,
});

const columnsOf = ({ sealedName, ...doc }: Omit<MediaRecord, 'rev'>, rev: number): SQLInputValue[] => [
  doc.userId,
  rev,
  doc.state,
  doc.dueAtMs,
  sealedName,
  JSON.stringify(doc),
  doc.tenantId,
  doc.mediaId,
];

interface User {
  tenantId: string;
  userId: string;
}

/** The name is gone from the files only when the write-ahead log is, too; who reads meanwhile leaves it to a later call. */
const emptyLog = (db: DatabaseSync): void => {
  db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
};

export const open = (db: DatabaseSync) => {
  db.exec('PRAGMA secure_delete = ON');
  const insert = db.prepare(
    `INSERT INTO media (user_id, rev, state, due_at_ms, sealed_name, doc, tenant_id, media_id)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  );
  const update = db.prepare(
    `UPDATE media SET user_id = ?, rev = ?, state = ?, due_at_ms = ?, sealed_name = ?, doc = ?
     WHERE tenant_id = ? AND media_id = ? AND rev = ?`,
  );
  const one = db.prepare('SELECT * FROM media WHERE tenant_id = ? AND media_id = ?');
  const page = db.prepare(
    'SELECT * FROM media WHERE tenant_id = ? AND user_id = ? AND media_id > ? ORDER BY media_id LIMIT ?',
  );
  const count = db.prepare(
    `SELECT count(*) AS n FROM media WHERE tenant_id = ? AND user_id = ? AND state IN (SELECT value FROM json_each(?))`,
  );
  const bytes = db.prepare(
    `SELECT total(size_bytes) AS n FROM media WHERE tenant_id = ? AND state IN (SELECT value FROM json_each(?))`,
  );
  const due = db.prepare('SELECT * FROM media WHERE due_at_ms > 0 AND due_at_ms <= ? ORDER BY due_at_ms LIMIT ?');
  return {
    create: (record: Omit<MediaRecord, 'rev'>): boolean => insert.run(...columnsOf(record, 1)).changes === 1,
    replace: ({ rev, ...record }: MediaRecord): boolean => {
      const done = update.run(...columnsOf(record, rev + 1), rev).changes === 1;
      if (done && record.sealedName.length === 0) emptyLog(db);
      return done;
    },
    getMany: ({ tenantId, mediaIds }: { tenantId: string; mediaIds: readonly string[] }): (MediaRecord | undefined)[] =>
      inTransaction(db, () =>
        mediaIds.map((mediaId) => {
          const row = one.get(tenantId, mediaId);
          return row && recordOf(row);
        }),
      ),
    ofUser: ({
      tenantId,
      userId,
      afterMediaId,
      limit,
    }: User & { afterMediaId: string; limit: number }): MediaRecord[] =>
      page.all(tenantId, userId, afterMediaId, limit).map(recordOf),
    countOf: ({ tenantId, userId, states }: User & { states: readonly number[] }): number =>
      count.get(tenantId, userId, JSON.stringify(states))?.['n'] as number,
    bytesOf: ({ tenantId, states }: { tenantId: string; states: readonly number[] }): number =>
      bytes.get(tenantId, JSON.stringify(states))?.['n'] as number,
    due: ({ atMs, limit }: { atMs: number; limit: number }): MediaRecord[] => due.all(atMs, limit).map(recordOf),
  };
};
