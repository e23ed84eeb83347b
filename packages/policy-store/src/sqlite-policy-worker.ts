/** The SQL half of the SQLite policy store; runs in the database's thread. */
import type { DatabaseSync } from 'node:sqlite';
import type { PolicyRecord } from './port.ts';

export const migrations = [
  `CREATE TABLE policy (
     tenant_id TEXT, version INTEGER, policy BLOB NOT NULL, put_at_ms INTEGER NOT NULL,
     PRIMARY KEY (tenant_id, version)) STRICT, WITHOUT ROWID;`,
];

export const open = (db: DatabaseSync) => {
  const current = 'SELECT coalesce(max(version), 0) FROM policy WHERE tenant_id = ?';
  const insert = db.prepare(`INSERT INTO policy SELECT ?1, ?2, ?3, ?4 WHERE (${current}1) = ?2 - 1`);
  const select = db.prepare('SELECT policy, put_at_ms FROM policy WHERE tenant_id = ? AND version = ?');
  const version = db.prepare(`SELECT (${current}) AS version`);
  const versionOf = (tenantId: string): number => version.get(tenantId)?.['version'] as number;
  return {
    put: ({ tenantId, version: v, policy, putAtMs }: PolicyRecord): boolean =>
      insert.run(tenantId, v, policy, putAtMs).changes === 1,
    get: (args: { tenantId: string; version: number }): PolicyRecord | undefined => {
      const { tenantId } = args;
      const found = args.version === 0 ? versionOf(tenantId) : args.version;
      const row = select.get(tenantId, found);
      return (
        row && {
          tenantId,
          version: found,
          policy: row['policy'] as Uint8Array,
          putAtMs: row['put_at_ms'] as number,
        }
      );
    },
    versions: (tenantIds: readonly string[]): number[] => tenantIds.map(versionOf),
  };
};
