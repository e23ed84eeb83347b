/** The SQL half of the SQLite account store; runs in the database's thread. */
import type { DatabaseSync } from 'node:sqlite';
import type { SigningKeyRecord } from '@caas/kit/signing-keys';
import { inTransaction } from '@caas/sqlite/handler';
import type {
  App,
  AppSecret,
  EndedCursor,
  EndReason,
  ProfileChange,
  Session,
  SessionKey,
  SessionOfUser,
  Tenant,
  User,
} from './port.ts';

export const migrations = [
  `CREATE TABLE tenant (tenant_id TEXT PRIMARY KEY, doc TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE app (app_id TEXT PRIMARY KEY, version INTEGER NOT NULL, doc TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE user (tenant_id TEXT, user_id TEXT, doc TEXT NOT NULL, PRIMARY KEY (tenant_id, user_id)) STRICT, WITHOUT ROWID;
   CREATE TABLE session (
     tenant_id TEXT, session_id TEXT, user_id TEXT NOT NULL, doc TEXT NOT NULL, created_at_ms INTEGER NOT NULL,
     refreshed_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL, generation INTEGER NOT NULL,
     ended_at_ms INTEGER, end_reason TEXT, PRIMARY KEY (tenant_id, session_id)) STRICT, WITHOUT ROWID;
   CREATE INDEX session_live ON session (tenant_id, user_id, created_at_ms) WHERE ended_at_ms IS NULL;
   CREATE INDEX session_ended ON session (ended_at_ms, session_id) WHERE ended_at_ms IS NOT NULL;
   CREATE INDEX session_expiry ON session (expires_at_ms);
   CREATE TABLE signing_key (
     key_id TEXT PRIMARY KEY, public_jwk TEXT NOT NULL, sealed_private_key BLOB NOT NULL, created_at_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;`,
  'CREATE INDEX session_user ON session (tenant_id, user_id, session_id);',
];

type Row = Record<string, unknown>;
type Doc<T> = T | undefined;

const docOf = <T>(row: Row | undefined): Doc<T> => (row ? (JSON.parse(row['doc'] as string) as T) : undefined);

/** What of a session never changes is in `doc`; what is compared or changed has its own column. */
const sessionOf = (row: Row): Session => ({
  ...(JSON.parse(row['doc'] as string) as Pick<Session, 'appId' | 'scopes' | 'device' | 'remoteAddress'>),
  tenantId: row['tenant_id'] as string,
  sessionId: row['session_id'] as string,
  userId: row['user_id'] as string,
  createdAtMs: row['created_at_ms'] as number,
  refreshedAtMs: row['refreshed_at_ms'] as number,
  expiresAtMs: row['expires_at_ms'] as number,
  generation: row['generation'] as number,
  ...(row['ended_at_ms'] === null
    ? {}
    : { endedAtMs: row['ended_at_ms'] as number, endReason: row['end_reason'] as EndReason }),
});

const tenantVerbs = (db: DatabaseSync) => {
  const insert = db.prepare('INSERT INTO tenant VALUES (?, ?) ON CONFLICT DO NOTHING');
  const select = db.prepare('SELECT doc FROM tenant WHERE tenant_id = ?');
  return {
    createTenant: (tenant: Tenant): boolean => insert.run(tenant.tenantId, JSON.stringify(tenant)).changes === 1,
    getTenant: (tenantId: string): Doc<Tenant> => docOf<Tenant>(select.get(tenantId)),
  };
};

const appVerbs = (db: DatabaseSync) => {
  const insert = db.prepare('INSERT INTO app VALUES (?, 1, ?) ON CONFLICT DO NOTHING');
  const select = db.prepare('SELECT version, doc FROM app WHERE app_id = ?');
  const update = db.prepare(
    `UPDATE app SET version = version + 1, doc = json_set(doc, '$.secrets', json(?)) WHERE app_id = ? AND version = ?`,
  );
  return {
    createApp: (app: Omit<App, 'version'>): boolean => insert.run(app.appId, JSON.stringify(app)).changes === 1,
    getApp: (appId: string): Doc<App> => {
      const row = select.get(appId);
      return row && { ...(JSON.parse(row['doc'] as string) as App), version: row['version'] as number };
    },
    replaceSecrets: (args: { appId: string; expectVersion: number; secrets: readonly AppSecret[] }): boolean =>
      update.run(JSON.stringify(args.secrets), args.appId, args.expectVersion).changes === 1,
  };
};

const userVerbs = (db: DatabaseSync) => {
  const put = db.prepare('INSERT INTO user VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET doc = excluded.doc');
  const select = db.prepare('SELECT doc FROM user WHERE tenant_id = ? AND user_id = ?');
  const get = (tenantId: string, userId: string): Doc<User> => docOf<User>(select.get(tenantId, userId));
  const change = (user: User, profile: ProfileChange, nowMs: number): User => {
    const given = Object.fromEntries(Object.entries(profile).filter(([, value]) => value !== undefined));
    const next: User = { ...user, ...given, updatedAtMs: nowMs };
    put.run(next.tenantId, next.userId, JSON.stringify(next));
    return next;
  };
  return {
    upsertUser: (args: { fresh: User; displayName: string | undefined }): { user: User; created: boolean } => {
      const { fresh, displayName } = args;
      const known = get(fresh.tenantId, fresh.userId);
      if (!known) {
        put.run(fresh.tenantId, fresh.userId, JSON.stringify(fresh));
        return { user: fresh, created: true };
      }
      const unchanged = displayName === undefined || displayName === known.displayName || known.deactivated;
      return { user: unchanged ? known : change(known, { displayName }, fresh.updatedAtMs), created: false };
    },
    getUsers: (args: { tenantId: string; userIds: readonly string[] }): Doc<User>[] =>
      args.userIds.map((userId) => get(args.tenantId, userId)),
    updateProfile: (args: { tenantId: string; userId: string; change: ProfileChange; nowMs: number }): Doc<User> => {
      const known = get(args.tenantId, args.userId);
      return known && change(known, args.change, args.nowMs);
    },
    blankUser: (args: { tenantId: string; userId: string; blank: Partial<User>; nowMs: number }): boolean => {
      const known = get(args.tenantId, args.userId);
      if (!known) return false;
      const next: User = { ...known, ...args.blank, updatedAtMs: args.nowMs };
      put.run(next.tenantId, next.userId, JSON.stringify(next));
      return true;
    },
  };
};

const sessionVerbs = (db: DatabaseSync) => {
  const insert = db.prepare('INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL) ON CONFLICT DO NOTHING');
  const select = db.prepare('SELECT * FROM session WHERE tenant_id = ? AND session_id = ?');
  const live = db.prepare(
    `SELECT * FROM session WHERE tenant_id = ? AND user_id = ? AND ended_at_ms IS NULL AND expires_at_ms > ?
     ORDER BY created_at_ms DESC, session_id DESC LIMIT ? OFFSET ?`,
  );
  const advance = db.prepare(
    `UPDATE session SET generation = generation + 1, refreshed_at_ms = ?, expires_at_ms = ?
     WHERE tenant_id = ? AND session_id = ? AND generation = ? AND ended_at_ms IS NULL AND expires_at_ms > ? RETURNING *`,
  );
  const end = db.prepare(
    `UPDATE session SET ended_at_ms = ?, end_reason = ?
     WHERE tenant_id = ? AND session_id = ? AND ended_at_ms IS NULL RETURNING user_id`,
  );
  const ended = db.prepare(
    `SELECT tenant_id, session_id, user_id, ended_at_ms FROM session
     WHERE ended_at_ms IS NOT NULL AND (ended_at_ms, session_id) > (?, ?) ORDER BY ended_at_ms, session_id LIMIT ?`,
  );
  const ofUser = db.prepare(
    'SELECT * FROM session WHERE tenant_id = ? AND user_id = ? AND session_id > ? ORDER BY session_id LIMIT ?',
  );
  const remove = db.prepare('DELETE FROM session WHERE tenant_id = ? AND session_id = ?');
  const purgeEnded = db.prepare(
    `DELETE FROM session WHERE (tenant_id, session_id) IN
     (SELECT tenant_id, session_id FROM session WHERE ended_at_ms IS NOT NULL AND ended_at_ms < ? LIMIT ?)`,
  );
  const purgeExpired = db.prepare(
    `DELETE FROM session WHERE (tenant_id, session_id) IN
     (SELECT tenant_id, session_id FROM session WHERE expires_at_ms < ? LIMIT ?)`,
  );
  return {
    createSession: (s: Session): boolean => {
      const doc = { appId: s.appId, scopes: s.scopes, device: s.device, remoteAddress: s.remoteAddress };
      const times = [s.createdAtMs, s.refreshedAtMs, s.expiresAtMs, s.generation] as const;
      return insert.run(s.tenantId, s.sessionId, s.userId, JSON.stringify(doc), ...times).changes === 1;
    },
    getSessions: (keys: readonly SessionKey[]): Doc<Session>[] =>
      keys.map((key) => {
        const row = select.get(key.tenantId, key.sessionId);
        return row && sessionOf(row);
      }),
    listLive: (q: { tenantId: string; userId: string; nowMs: number; skip: number; limit: number }): Session[] =>
      live.all(q.tenantId, q.userId, q.nowMs, q.limit, q.skip).map(sessionOf),
    advanceSession: (args: {
      key: SessionKey;
      expectGeneration: number;
      refreshedAtMs: number;
      expiresAtMs: number;
    }): Doc<Session> => {
      const { key, refreshedAtMs } = args;
      const where = [key.tenantId, key.sessionId, args.expectGeneration, refreshedAtMs] as const;
      const row = advance.get(refreshedAtMs, args.expiresAtMs, ...where);
      return row && sessionOf(row);
    },
    endSessions: (args: { keys: readonly SessionKey[]; endedAtMs: number; reason: EndReason }): SessionOfUser[] =>
      args.keys.flatMap(({ tenantId, sessionId }) => {
        const row = end.get(args.endedAtMs, args.reason, tenantId, sessionId);
        return row ? [{ tenantId, sessionId, userId: row['user_id'] as string }] : [];
      }),
    endedAfter: (args: { cursor: EndedCursor; limit: number }): (SessionOfUser & EndedCursor)[] =>
      ended.all(args.cursor.endedAtMs, args.cursor.sessionId, args.limit).map((row) => ({
        tenantId: row['tenant_id'] as string,
        sessionId: row['session_id'] as string,
        userId: row['user_id'] as string,
        endedAtMs: row['ended_at_ms'] as number,
      })),
    sessionsOf: (q: { tenantId: string; userId: string; afterSessionId: string; limit: number }): Session[] =>
      ofUser.all(q.tenantId, q.userId, q.afterSessionId, q.limit).map(sessionOf),
    removeSessions: (keys: readonly SessionKey[]): number =>
      keys.reduce((sum, key) => sum + Number(remove.run(key.tenantId, key.sessionId).changes), 0),
    purgeSessions: (args: { beforeMs: number; limit: number }): number => {
      const removed = Number(purgeEnded.run(args.beforeMs, args.limit).changes);
      return removed + Number(purgeExpired.run(args.beforeMs, args.limit - removed).changes);
    },
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

const allVerbs = (db: DatabaseSync) => ({
  ...tenantVerbs(db),
  ...appVerbs(db),
  ...userVerbs(db),
  ...sessionVerbs(db),
  ...keyVerbs(db),
});

export type Verbs = ReturnType<typeof allVerbs>;
/** One verb with its argument; `write` when it may change something. */
export type Op = { [V in keyof Verbs]: { verb: V; args: Parameters<Verbs[V]>[0]; write: boolean } }[keyof Verbs];

export const open = (db: DatabaseSync) => {
  const verbs = allVerbs(db) as unknown as Record<string, (args: unknown) => unknown>;
  const runAll = (ops: readonly Op[]): unknown[] => ops.map((op) => verbs[op.verb]?.(op.args));
  return {
    /** Runs verbs in order; those of one call share one commit, so that its fsync is paid once. */
    run: (ops: readonly Op[]): unknown[] =>
      ops.some((op) => op.write) ? inTransaction(db, () => runAll(ops)) : runAll(ops),
    /**
     * Leaves no bytes of earlier states in the files. Overwriting what is deleted would not do: rows that were moved when a page
     * was split lie where they were, too.
     */
    writeAnew: (_: null): void => {
      db.exec('VACUUM');
      const { busy } = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
      // SQLITE_BUSY, which callers may try again.
      if (busy !== 0) throw Object.assign(new Error('the write-ahead log is in use'), { errcode: 5 });
    },
  };
};
