import { newId } from '@caas/kit';
import { created, type MongoEngine } from '@caas/mongo';
import type { Collection, Filter } from 'mongodb';
import { atMost } from '../limits.ts';
import { type EndedCursor, maxSessionsPerCall, type Session, type SessionOfUser, type SessionStore } from '../port.ts';
import { type SessionRow, sessionKey, sessionsOf } from './schema.ts';

type Ended = SessionOfUser & EndedCursor;

const sessionOf = ({ _id, open, endedBy, ...session }: SessionRow): Session => session;

/** Removes up to `limit` sessions that the filter holds for; what it holds for once, it holds for ever. */
const removeSome = async (
  sessions: Collection<SessionRow>,
  filter: Filter<SessionRow>,
  limit: number,
): Promise<number> => {
  // To MongoDB a limit of 0 is none.
  if (limit < 1) return 0;
  const found = await sessions.find(filter, { limit, projection: { _id: 1 }, batchSize: limit }).toArray();
  if (found.length === 0) return 0;
  const { deletedCount } = await sessions.deleteMany({ _id: { $in: found.map(({ _id }) => _id) } });
  return deletedCount;
};

const sessionChanges = (
  engine: MongoEngine,
): Pick<SessionStore, 'create' | 'advance' | 'end' | 'remove' | 'purge'> => ({
  create: (session) =>
    engine.run((db) =>
      created(sessionsOf(db), { _id: sessionKey(session), ...session, open: session.endedAtMs === undefined }),
    ),
  advance: async (key, expectGeneration, to) => {
    const row = await engine.run((db) =>
      sessionsOf(db).findOneAndUpdate(
        {
          _id: sessionKey(key),
          open: true,
          generation: expectGeneration,
          expiresAtMs: { $gt: to.refreshedAtMs },
        },
        { $set: { refreshedAtMs: to.refreshedAtMs, expiresAtMs: to.expiresAtMs }, $inc: { generation: 1 } },
        { returnDocument: 'after' },
      ),
    );
    return row ? sessionOf(row) : undefined;
  },
  end: async (keys, endedAtMs, endReason) => {
    atMost('maxSessionsPerCall', keys.length, maxSessionsPerCall);
    if (keys.length === 0) return [];
    const ids = keys.map(sessionKey);
    const endedBy = newId();
    return engine.run(async (db) => {
      const sessions = sessionsOf(db);
      const change = { $set: { open: false, endedAtMs, endReason, endedBy } };
      const { modifiedCount } = await sessions.updateMany({ _id: { $in: ids }, open: true }, change);
      if (modifiedCount === 0) return [];
      // Nobody changes an ended session, so the mark says for good which call it was.
      const fields = { projection: { _id: 0, tenantId: 1, sessionId: 1, userId: 1 }, batchSize: ids.length };
      return sessions.find<SessionRow>({ _id: { $in: ids }, endedBy }, fields).toArray();
    });
  },
  remove: async (keys) => {
    atMost('maxSessionsPerCall', keys.length, maxSessionsPerCall);
    if (keys.length === 0) return 0;
    const filter = { _id: { $in: keys.map(sessionKey) } };
    return (await engine.run((db) => sessionsOf(db).deleteMany(filter))).deletedCount;
  },
  purge: (beforeMs, limit) =>
    engine.run(async (db) => {
      const sessions = sessionsOf(db);
      const before = { $lt: beforeMs };
      const removed = await removeSome(sessions, { endedAtMs: before }, limit);
      return removed + (await removeSome(sessions, { expiresAtMs: before }, limit - removed));
    }),
});

const sessionReads = (engine: MongoEngine): Pick<SessionStore, 'getMany' | 'listLive' | 'ofUser' | 'endedAfter'> => ({
  getMany: async (keys) => {
    atMost('maxSessionsPerCall', keys.length, maxSessionsPerCall);
    if (keys.length === 0) return [];
    const ids = keys.map(sessionKey);
    const rows = await engine.run((db) =>
      sessionsOf(db)
        .find({ _id: { $in: ids } }, { batchSize: ids.length })
        .toArray(),
    );
    const found = new Map(rows.map((row) => [row._id, sessionOf(row)]));
    return ids.map((id) => found.get(id));
  },
  listLive: async ({ tenantId, userId, nowMs, skip, limit }) => {
    atMost('maxSessionsPerCall', limit, maxSessionsPerCall);
    if (limit < 1) return [];
    return engine.run(async (db) => {
      const live: Session[] = [];
      let left = skip;
      const newestFirst = { sort: { createdAtMs: -1, sessionId: -1 } } as const;
      // Expired ones are few: they are purged. Judging them here leaves the server one index range to read.
      for await (const row of sessionsOf(db).find({ tenantId, userId, open: true }, newestFirst)) {
        if (row.expiresAtMs <= nowMs) continue;
        if (left > 0) left -= 1;
        else live.push(sessionOf(row));
        if (live.length === limit) break;
      }
      return live;
    });
  },
  ofUser: async ({ tenantId, userId }, afterSessionId, limit) => {
    atMost('maxSessionsPerCall', limit, maxSessionsPerCall);
    if (limit < 1) return [];
    const filter = { tenantId, userId, sessionId: { $gt: afterSessionId } };
    const rows = await engine.run((db) =>
      sessionsOf(db)
        .find(filter, { sort: { sessionId: 1 }, limit, batchSize: limit })
        .toArray(),
    );
    return rows.map(sessionOf);
  },
  endedAfter: ({ endedAtMs, sessionId }, limit) =>
    engine.run(async (db) => {
      const read = async (filter: Filter<SessionRow>, most: number): Promise<Ended[]> => {
        if (most < 1) return [];
        const projection = { _id: 0, tenantId: 1, sessionId: 1, userId: 1, endedAtMs: 1 };
        const options = { sort: { endedAtMs: 1, sessionId: 1 }, limit: most, batchSize: most, projection } as const;
        return sessionsOf(db).find<Ended>(filter, options).toArray();
      };
      // Two ranges of the index, not alternatives in one filter.
      const sameTime = await read({ endedAtMs, sessionId: { $gt: sessionId } }, limit);
      return [...sameTime, ...(await read({ endedAtMs: { $gt: endedAtMs } }, limit - sameTime.length))];
    }),
});

export const sessionStore = (engine: MongoEngine): SessionStore => ({
  ...sessionChanges(engine),
  ...sessionReads(engine),
});
