/**
 * The SQL half of the SQLite key store; runs in the database's thread.
 *
 * Wrapped bytes lie in a table of their own that is only ever appended to, in rows that keep their size: so a row is never
 * moved to another page, where a copy of it could stay behind, and destroying it overwrites it in its place.
 */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { inTransaction } from '@caas/sqlite/handler';
import type {
  DataKeyRecord,
  DestroyedCursor,
  TenantKeyRecord,
  TenantKeys,
  UserKeys,
  UserKeysChange,
  UserKeysName,
} from './port.ts';

export const migrations = [
  `CREATE TABLE material (id INTEGER PRIMARY KEY AUTOINCREMENT, wrapped BLOB NOT NULL) STRICT;
   CREATE TABLE tenant_keys (tenant_id TEXT PRIMARY KEY, rev INTEGER NOT NULL, doc TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE user_keys (
     tenant_id TEXT, ref TEXT, user_id TEXT NOT NULL, rev INTEGER NOT NULL, destroyed_at_ms INTEGER NOT NULL,
     doc TEXT NOT NULL, PRIMARY KEY (tenant_id, ref)) STRICT, WITHOUT ROWID;
   CREATE INDEX user_keys_destroyed ON user_keys (destroyed_at_ms, ref) WHERE destroyed_at_ms > 0;`,
];

type Row = Record<string, SQLOutputValue>;
/** A key in a document: its bytes are a row of `material`. */
type Kept<K extends { wrapped: Uint8Array }> = Omit<K, 'wrapped'> & { material: number };

const materials = (db: DatabaseSync) => {
  const insert = db.prepare('INSERT INTO material (wrapped) VALUES (?)');
  const select = db.prepare('SELECT wrapped FROM material WHERE id = ?');
  const update = db.prepare('UPDATE material SET wrapped = ? WHERE id = ?');
  const overwrite = db.prepare('UPDATE material SET wrapped = zeroblob(length(wrapped)) WHERE id = ?');
  const read = <K extends { wrapped: Uint8Array; destroyedAtMs: number }>({ material, ...key }: Kept<K>): K => {
    const wrapped = key.destroyedAtMs === 0 ? (select.get(material)?.['wrapped'] as Uint8Array) : new Uint8Array(0);
    return { ...key, wrapped } as unknown as K;
  };
  /** Keeps a key, over the bytes that were its own before. */
  const keep = <K extends { wrapped: Uint8Array; destroyedAtMs: number }>(
    { wrapped, ...key }: K,
    before: Kept<K> | undefined,
  ): Kept<K> => {
    let material = before?.material;
    if (material === undefined) material = Number(insert.run(wrapped).lastInsertRowid);
    else if (key.destroyedAtMs > 0) overwrite.run(material);
    else update.run(wrapped, material);
    return { ...key, material } as Kept<K>;
  };
  return { read, keep, overwrite: (id: number) => overwrite.run(id) };
};
type Materials = ReturnType<typeof materials>;

/**
 * Without it the write-ahead log keeps the pages as they were before a destruction. Done again when that is repeated, for it
 * may have failed.
 */
const emptyLog = (db: DatabaseSync): void => {
  const { busy } = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
  // SQLITE_BUSY, which callers may try again.
  if (busy !== 0) throw Object.assign(new Error('the write-ahead log is in use'), { errcode: 5 });
};

const tenantVerbs = (db: DatabaseSync, material: Materials) => {
  const select = db.prepare('SELECT * FROM tenant_keys WHERE tenant_id = ?');
  const after = db.prepare('SELECT * FROM tenant_keys WHERE tenant_id > ? ORDER BY tenant_id LIMIT ?');
  const put = db.prepare(
    'INSERT INTO tenant_keys VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET rev = excluded.rev, doc = excluded.doc',
  );
  const kept = (row: Row | undefined) => JSON.parse((row?.['doc'] as string) ?? '[]') as Kept<TenantKeyRecord>[];
  const keysOf = (row: Row): TenantKeys => ({
    tenantId: row['tenant_id'] as string,
    rev: row['rev'] as number,
    keys: kept(row).map((key) => material.read<TenantKeyRecord>(key)),
  });
  return {
    getTenant: (tenantId: string): TenantKeys | undefined => {
      const row = select.get(tenantId);
      return row && keysOf(row);
    },
    putTenant: ({ keys, expectRev }: { keys: Omit<TenantKeys, 'rev'>; expectRev: number }): boolean => {
      const done = inTransaction(db, () => {
        const row = select.get(keys.tenantId);
        if (((row?.['rev'] as number | undefined) ?? 0) !== expectRev) return false;
        const before = new Map(kept(row).map((key) => [key.version, key]));
        const doc = keys.keys.map((key) => material.keep(key, before.get(key.version)));
        put.run(keys.tenantId, expectRev + 1, JSON.stringify(doc));
        return true;
      });
      if (keys.keys.some(({ destroyedAtMs }) => destroyedAtMs > 0)) emptyLog(db);
      return done;
    },
    listTenants: ({ afterTenantId, limit }: { afterTenantId: string; limit: number }): TenantKeys[] =>
      after.all(afterTenantId, limit).map(keysOf),
  };
};

const userVerbs = (db: DatabaseSync, material: Materials) => {
  const select = db.prepare('SELECT * FROM user_keys WHERE tenant_id = ? AND ref = ?');
  const after = db.prepare('SELECT * FROM user_keys WHERE tenant_id = ? AND ref > ? ORDER BY ref LIMIT ?');
  const destroyed = db.prepare(
    `SELECT * FROM user_keys WHERE destroyed_at_ms > 0 AND (destroyed_at_ms, ref) > (?, ?)
     ORDER BY destroyed_at_ms, ref LIMIT ?`,
  );
  const write = db.prepare(
    `INSERT INTO user_keys VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
     rev = excluded.rev, destroyed_at_ms = excluded.destroyed_at_ms, doc = excluded.doc`,
  );
  const kept = (row: Row | undefined) => JSON.parse((row?.['doc'] as string) ?? '[]') as Kept<DataKeyRecord>[];
  const keysOf = (row: Row): UserKeys => ({
    tenantId: row['tenant_id'] as string,
    ref: row['ref'] as string,
    userId: row['user_id'] as string,
    rev: row['rev'] as number,
    keys: kept(row).map((key) => material.read<DataKeyRecord>(key)),
    destroyedAtMs: row['destroyed_at_ms'] as number,
  });
  const put = ({ keys, expectRev }: UserKeysChange): boolean => {
    const { tenantId, ref, userId } = keys;
    const row = select.get(tenantId, ref);
    if (((row?.['rev'] as number | undefined) ?? 0) !== expectRev) return false;
    if (row && row['destroyed_at_ms'] !== 0) return false;
    const before = new Map(kept(row).map((key) => [key.generation, key]));
    const doc = keys.keys.map((key) => material.keep(key, before.get(key.generation)));
    write.run(tenantId, ref, userId, expectRev + 1, 0, JSON.stringify(doc));
    return true;
  };
  const destroy = ({ tenantId, ref, userId, atMs }: UserKeysName & { userId: string; atMs: number }): void => {
    const row = select.get(tenantId, ref);
    if (row && row['destroyed_at_ms'] !== 0) return;
    const doc = kept(row).map((key) => {
      material.overwrite(key.material);
      return { ...key, destroyedAtMs: key.destroyedAtMs || atMs };
    });
    write.run(tenantId, ref, userId, Number(row?.['rev'] ?? 0) + 1, atMs, JSON.stringify(doc));
  };
  return {
    getUsers: (names: readonly UserKeysName[]): (UserKeys | undefined)[] =>
      names.map(({ tenantId, ref }) => {
        const row = select.get(tenantId, ref);
        return row && keysOf(row);
      }),
    /** All in one commit, so that its fsync is paid once. */
    putUsers: (changes: readonly UserKeysChange[]): boolean[] => inTransaction(db, () => changes.map(put)),
    destroyUser: (args: UserKeysName & { userId: string; atMs: number }): UserKeys => {
      inTransaction(db, () => destroy(args));
      emptyLog(db);
      return keysOf(select.get(args.tenantId, args.ref) as Row);
    },
    ofTenant: ({ tenantId, afterRef, limit }: { tenantId: string; afterRef: string; limit: number }): UserKeys[] =>
      after.all(tenantId, afterRef, limit).map(keysOf),
    destroyedAfter: ({ cursor, limit }: { cursor: DestroyedCursor; limit: number }): UserKeys[] =>
      destroyed.all(cursor.destroyedAtMs, cursor.ref, limit).map(keysOf),
  };
};

export const open = (db: DatabaseSync) => {
  db.exec('PRAGMA secure_delete = ON');
  const material = materials(db);
  return { ...tenantVerbs(db, material), ...userVerbs(db, material) };
};
