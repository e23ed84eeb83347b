/** The SQL half of the SQLite policy store; runs in the database's thread. */
import type { DatabaseSync } from 'node:sqlite';
import type { HeldPlace, HeldRecord, PolicyRecord } from './port.ts';

export const migrations = [
  `CREATE TABLE policy (
     tenant_id TEXT, version INTEGER, policy BLOB NOT NULL, put_at_ms INTEGER NOT NULL,
     PRIMARY KEY (tenant_id, version)) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE held (
     tenant_id TEXT NOT NULL, held_id TEXT NOT NULL, content BLOB NOT NULL, held_at_ms INTEGER NOT NULL,
     sender_id TEXT NOT NULL, PRIMARY KEY (tenant_id, held_id)) STRICT;
   CREATE INDEX held_in_order ON held (tenant_id, held_at_ms, held_id);
   CREATE INDEX held_of_sender ON held (tenant_id, sender_id);`,
];

export const open = (db: DatabaseSync) => {
  // What a sender has held is taken out where they are erased.
  db.exec('PRAGMA secure_delete = ON');
  const current = 'SELECT coalesce(max(version), 0) FROM policy WHERE tenant_id = ?';
  const insert = db.prepare(`INSERT INTO policy SELECT ?1, ?2, ?3, ?4 WHERE (${current}1) = ?2 - 1`);
  const select = db.prepare('SELECT policy, put_at_ms FROM policy WHERE tenant_id = ? AND version = ?');
  const version = db.prepare(`SELECT (${current}) AS version`);
  const isHeld = db.prepare('SELECT 1 FROM held WHERE tenant_id = ? AND held_id = ?');
  const hold = db.prepare(`INSERT INTO held SELECT ?1, ?2, ?3, ?4, ?6
    WHERE (SELECT count(*) FROM (SELECT 1 FROM held WHERE tenant_id = ?1 LIMIT ?5)) < ?5`);
  const held = db.prepare(`SELECT held_id, sender_id, content, held_at_ms FROM held
    WHERE tenant_id = ? AND (held_at_ms, held_id) > (?, ?) ORDER BY held_at_ms, held_id LIMIT ?`);
  const removeHeld = db.prepare('DELETE FROM held WHERE tenant_id = ? AND sender_id = ?');
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
    hold: ({ tenantId, heldId, senderId, content, heldAtMs, max }: HeldRecord & { max: number }): boolean =>
      isHeld.get(tenantId, heldId) !== undefined ||
      hold.run(tenantId, heldId, content, heldAtMs, max, senderId).changes === 1,
    removeHeldOf: ({ tenantId, senderId }: { tenantId: string; senderId: string }): number =>
      Number(removeHeld.run(tenantId, senderId).changes),
    held: ({ tenantId, limit, after }: { tenantId: string; limit: number; after: HeldPlace }): HeldRecord[] =>
      held.all(tenantId, after.heldAtMs, after.heldId, limit).map((row) => ({
        tenantId,
        heldId: row['held_id'] as string,
        senderId: row['sender_id'] as string,
        content: row['content'] as Uint8Array,
        heldAtMs: row['held_at_ms'] as number,
      })),
  };
};
