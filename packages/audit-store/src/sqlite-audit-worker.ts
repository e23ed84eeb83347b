/** The SQL half of the SQLite audit store; runs in the database's thread. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { Subtree } from '@caas/compliance-client/merkle';
import type { SigningKeyRecord } from '@caas/kit/signing-keys';
import { inTransaction } from '@caas/sqlite/handler';
import type { CheckpointRecord, EntryQuery, FoundEntry, NewEntry, TreeHead } from './port.ts';

const hashBytes = 32;

export const migrations = [
  `CREATE TABLE entry (
     tenant_id TEXT, idx INTEGER, event_id TEXT NOT NULL, at_ms INTEGER NOT NULL, actor_id TEXT NOT NULL,
     subject_id TEXT NOT NULL, area TEXT NOT NULL, action TEXT NOT NULL, trace_id TEXT NOT NULL,
     logged_at_ms INTEGER NOT NULL, leaf BLOB NOT NULL, subtrees BLOB NOT NULL, PRIMARY KEY (tenant_id, idx)) STRICT;
   CREATE UNIQUE INDEX entry_event ON entry (tenant_id, event_id);
   CREATE INDEX entry_at ON entry (tenant_id, at_ms, idx);
   CREATE INDEX entry_actor ON entry (tenant_id, actor_id, at_ms, idx);
   CREATE INDEX entry_subject ON entry (tenant_id, subject_id, at_ms, idx);
   CREATE INDEX entry_area ON entry (tenant_id, area, at_ms, idx);
   CREATE INDEX entry_trace ON entry (tenant_id, trace_id, at_ms, idx) WHERE trace_id <> '';
   CREATE TABLE checkpoint (
     tenant_id TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, root_hash BLOB NOT NULL, signed_at_ms INTEGER NOT NULL,
     key_id TEXT NOT NULL, signature BLOB NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE signing_key (
     key_id TEXT PRIMARY KEY, public_jwk TEXT NOT NULL, sealed_private_key BLOB NOT NULL, created_at_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;`,
];

const areaOf = (action: string): string => action.split('.', 1)[0] as string;

/** The conditions of a query, each with the value it compares with. */
const conditionsOf = (query: EntryQuery): [sql: string, ...values: SQLInputValue[]][] => {
  const { tenantId, actorId, subjectId, action, traceId, fromMs, untilMs, after } = query;
  const conditions: [string, ...SQLInputValue[]][] = [['tenant_id = ?', tenantId]];
  if (actorId !== undefined) conditions.push(['actor_id = ?', actorId]);
  if (subjectId !== undefined) conditions.push(['subject_id = ?', subjectId]);
  if (action !== undefined) conditions.push(['area = ?', areaOf(action)]);
  if (action !== undefined && !action.endsWith('.*')) conditions.push(['action = ?', action]);
  // The index has only those of some trace, and is used when the query says so.
  if (traceId !== undefined) conditions.push([`trace_id = ? AND trace_id <> ''`, traceId]);
  if (fromMs !== undefined) conditions.push(['at_ms >= ?', fromMs]);
  if (untilMs !== undefined) conditions.push(['at_ms < ?', untilMs]);
  if (after !== undefined) conditions.push(['(at_ms, idx) < (?, ?)', after.atMs, after.index]);
  return conditions;
};

const treeVerbs = (db: DatabaseSync) => {
  const last = db.prepare('SELECT idx, logged_at_ms FROM entry WHERE tenant_id = ? ORDER BY idx DESC LIMIT 1');
  const known = db.prepare('SELECT 1 FROM entry WHERE tenant_id = ? AND event_id = ?');
  const insert = db.prepare('INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  const leaves = db.prepare('SELECT leaf FROM entry WHERE tenant_id = ? AND idx >= ? ORDER BY idx LIMIT ?');
  const subtrees = db.prepare('SELECT subtrees FROM entry WHERE tenant_id = ? AND idx = ?');
  const head = (tenantId: string): TreeHead => {
    const row = last.get(tenantId);
    return row
      ? { size: (row['idx'] as number) + 1, loggedAtMs: row['logged_at_ms'] as number }
      : { size: 0, loggedAtMs: 0 };
  };
  return {
    head,
    known: (args: { tenantId: string; eventIds: readonly string[] }): string[] =>
      args.eventIds.filter((eventId) => known.get(args.tenantId, eventId) !== undefined),
    append: (args: { tenantId: string; size: number; entries: readonly NewEntry[] }): number =>
      inTransaction(db, () => {
        const { tenantId, size, entries } = args;
        if (head(tenantId).size !== size) return 0;
        for (const [i, e] of entries.entries()) {
          const found = [e.eventId, e.atMs, e.actorId, e.subjectId, areaOf(e.action), e.action, e.traceId] as const;
          insert.run(tenantId, size + i, ...found, e.loggedAtMs, e.leaf, Buffer.concat(e.subtrees));
        }
        return entries.length;
      }),
    leaves: (args: { tenantId: string; from: number; limit: number }): Uint8Array[] =>
      leaves.all(args.tenantId, args.from, args.limit).map((row) => row['leaf'] as Uint8Array),
    subtrees: (args: { tenantId: string; subtrees: readonly Subtree[] }): (Uint8Array | undefined)[] =>
      args.subtrees.map(({ last: index, level }) => {
        const kept = subtrees.get(args.tenantId, index)?.['subtrees'] as Uint8Array | undefined;
        const hash = kept?.slice(level * hashBytes, (level + 1) * hashBytes);
        return hash?.length === hashBytes ? hash : undefined;
      }),
    query: (query: EntryQuery): FoundEntry[] => {
      const conditions = conditionsOf(query);
      const where = conditions.map(([sql]) => sql).join(' AND ');
      const select = `SELECT idx, at_ms, leaf FROM entry WHERE ${where} ORDER BY at_ms DESC, idx DESC LIMIT ?`;
      const rows = db.prepare(select).all(...conditions.flatMap(([, ...values]) => values), query.limit);
      return rows.map((row) => ({
        index: row['idx'] as number,
        atMs: row['at_ms'] as number,
        leaf: row['leaf'] as Uint8Array,
      }));
    },
  };
};

const checkpointVerbs = (db: DatabaseSync) => {
  const select = db.prepare('SELECT * FROM checkpoint WHERE tenant_id = ?');
  const keep = db.prepare(
    `INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
       tree_size = excluded.tree_size, root_hash = excluded.root_hash, signed_at_ms = excluded.signed_at_ms,
       key_id = excluded.key_id, signature = excluded.signature
     WHERE excluded.tree_size >= tree_size`,
  );
  return {
    newest: (tenantId: string): CheckpointRecord | undefined => {
      const row = select.get(tenantId);
      return (
        row && {
          tenantId,
          treeSize: row['tree_size'] as number,
          rootHash: row['root_hash'] as Uint8Array,
          signedAtMs: row['signed_at_ms'] as number,
          keyId: row['key_id'] as string,
          signature: row['signature'] as Uint8Array,
        }
      );
    },
    keep: (c: CheckpointRecord): void =>
      void keep.run(c.tenantId, c.treeSize, c.rootHash, c.signedAtMs, c.keyId, c.signature),
  };
};

const keyVerbs = (db: DatabaseSync) => {
  const insert = db.prepare('INSERT INTO signing_key VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING');
  const select = db.prepare('SELECT * FROM signing_key ORDER BY created_at_ms DESC, key_id DESC');
  const remove = db.prepare('DELETE FROM signing_key WHERE key_id = ?');
  return {
    addKey: (k: SigningKeyRecord): boolean =>
      insert.run(k.keyId, k.publicJwk, k.sealedPrivateKey, k.createdAtMs).changes === 1,
    listKeys: (_: null): SigningKeyRecord[] =>
      select.all().map((row) => ({
        keyId: row['key_id'] as string,
        publicJwk: row['public_jwk'] as string,
        sealedPrivateKey: row['sealed_private_key'] as Uint8Array,
        createdAtMs: row['created_at_ms'] as number,
      })),
    removeKey: (keyId: string): void => void remove.run(keyId),
  };
};

export const open = (db: DatabaseSync) => ({ ...treeVerbs(db), ...checkpointVerbs(db), ...keyVerbs(db) });
