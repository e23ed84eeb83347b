import { newId } from '@caas/kit';
import type { MongoEngine } from '@caas/mongo';
import type { Collection, Filter } from 'mongodb';
import { atMost } from '../limits.ts';
import { maxSessionsPerCall, type Session, type SessionStore } from '../port.ts';
import { created } from './create.ts';
import { index, type SessionRow, sessionKey, sessionsOf } from './schema.ts';

const sessionOf = ({ _id, open, endedBy, ...session }: SessionRow): Session => session;

/** Removes up to `limit` sessions that the filter holds for; what it holds for once, it holds for ever. */
const removeSome = async (
  sessions: Collection<SessionRow>,
  filter: Filter<SessionRow>,
  by: Readonly<Record<string, 1>>,
  limit: number,
): Promise<number> => {
  // To MongoDB a limit of 0 is none.
  if (limit < 1) return 0;
  const found = await sessions.find(filter, { hint: by, limit, projection: { _id: 1 }, batchSize: limit }).toArray();
  if (found.length === 0) return 0;
  const { deletedCount } = await sessions.deleteMany({ _id: { $in: found.map(({ _id }) => _id) } });
  return deletedCount;
};

const sessionChanges = (engine: MongoEngine): Pick<SessionStore, 'create' | 'advance' | 'end' | 'purge'> => ({
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
  purge: (beforeMs, limit) =>
    engine.run(async (db) => {
      const sessions = sessionsOf(db);
      const before = { $lt: beforeMs };
      const removed = await removeSome(sessions, { endedAtMs: before }, index.sessionEnded.key, limit);
      return removed + (await removeSome(sessions, { expiresAtMs: before }, index.sessionExpiry.key, limit - removed));
    }),
});

const sessionReads = (engine: MongoEngine): Pick<SessionStore, 'getMany' | 'listLive' | 'endedAfter'> => ({
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
    const filter = { tenantId, userId, open: true, expiresAtMs: { $gt: nowMs } };
    const rows = await engine.run((db) =>
      sessionsOf(db)
        .find(filter, {
          hint: index.sessionOpen.key,
          sort: { createdAtMs: -1, sessionId: -1 },
          skip,
          limit,
          batchSize: limit,
        })
        .toArray(),
    );
    return rows.map(sessionOf);
  },
  endedAfter: async ({ endedAtMs, sessionId }, limit) => {
    if (limit < 1) return [];
    const after = [{ endedAtMs: { $gt: endedAtMs } }, { endedAtMs, sessionId: { $gt: sessionId } }];
    return engine.run((db) =>
      sessionsOf(db)
        .find<SessionRow & { endedAtMs: number }>(
          // The range once more, outside the alternatives: it is what bounds the scan.
          { endedAtMs: { $gte: endedAtMs }, $or: after },
          {
            hint: index.sessionEnded.key,
            sort: { endedAtMs: 1, sessionId: 1 },
            limit,
            batchSize: limit,
            projection: { _id: 0, tenantId: 1, sessionId: 1, userId: 1, endedAtMs: 1 },
          },
        )
        .toArray(),
    );
  },
});

export const sessionStore = (engine: MongoEngine): SessionStore => ({
  ...sessionChanges(engine),
  ...sessionReads(engine),
});
