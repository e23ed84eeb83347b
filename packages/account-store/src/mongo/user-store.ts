import { created, type MongoEngine } from '@caas/mongo';
import type { Collection } from 'mongodb';
import { atMost, checkMetadata, newUser, nobody, userIdOf } from '../limits.ts';
import { maxUsersPerCall, type ProfileChange, type User, type UserStore } from '../port.ts';
import { type UserRow, userKey, usersOf } from './schema.ts';

const rowOf = ({ metadata, ...user }: User): UserRow => ({
  _id: userKey(user.tenantId, user.userId),
  ...user,
  metadata: JSON.stringify(metadata),
});

const userOf = ({ _id, metadata, ...user }: UserRow): User => ({
  ...user,
  metadata: JSON.parse(metadata) as User['metadata'],
});

/** The user who was there before; null when this call made it. */
const insertUnlessThere = async (users: Collection<UserRow>, user: User): Promise<UserRow | null> => {
  const row = rowOf(user);
  if (await created(users, row)) return null;
  // Not a read: what another process has just inserted, a majority may not have yet. This changes nothing, but waits for it.
  const unchanged = { $setOnInsert: { externalId: row.externalId } };
  return users.findOneAndUpdate({ _id: row._id }, unchanged, { returnDocument: 'after' });
};

const change = (
  users: Collection<UserRow>,
  _id: string,
  { metadata, ...fields }: ProfileChange,
  updatedAtMs: number,
): Promise<UserRow | null> => {
  const set = { ...fields, ...(metadata && { metadata: JSON.stringify(metadata) }), updatedAtMs };
  const given = Object.fromEntries(Object.entries(set).filter(([, value]) => value !== undefined));
  return users.findOneAndUpdate({ _id }, { $set: given as Partial<UserRow> }, { returnDocument: 'after' });
};

export const userStore = (engine: MongoEngine): UserStore => {
  const getMany: UserStore['getMany'] = async (tenantId, userIds) => {
    atMost('maxUsersPerCall', userIds.length, maxUsersPerCall);
    if (userIds.length === 0) return [];
    const ids = userIds.map((userId) => userKey(tenantId, userId));
    const rows = await engine.run((db) =>
      usersOf(db)
        .find({ _id: { $in: ids } }, { batchSize: ids.length })
        .toArray(),
    );
    const found = new Map(rows.map((row) => [row._id, userOf(row)]));
    return ids.map((id) => found.get(id));
  };
  return {
    upsert: ({ displayName, ...seen }) =>
      engine.run(async (db) => {
        const users = usersOf(db);
        const fresh = newUser({ ...seen, displayName });
        const _id = userKey(fresh.tenantId, fresh.userId);
        // Most are known and unchanged, and a read costs no journal write.
        const known = (await users.findOne({ _id })) ?? (await insertUnlessThere(users, fresh));
        if (!known) return { user: fresh, created: true };
        const same = displayName === undefined || displayName === known.displayName || known.deactivated;
        const row = same ? known : await change(users, _id, { displayName }, seen.nowMs);
        return { user: userOf(row ?? known), created: false };
      }),
    get: async (tenantId, userId) => (await getMany(tenantId, [userId]))[0],
    getMany,
    getByExternalIds: (tenantId, externalIds) =>
      getMany(
        tenantId,
        externalIds.map((externalId) => userIdOf(tenantId, externalId)),
      ),
    updateProfile: async (tenantId, userId, profile, nowMs) => {
      checkMetadata(profile.metadata);
      const row = await engine.run((db) => change(usersOf(db), userKey(tenantId, userId), profile, nowMs));
      return row ? userOf(row) : undefined;
    },
    erase: async (tenantId, userId, nowMs) => {
      const { metadata, ...fields } = nobody;
      const set = { ...fields, metadata: JSON.stringify(metadata), updatedAtMs: nowMs };
      const _id = userKey(tenantId, userId);
      return (await engine.run((db) => usersOf(db).updateOne({ _id }, { $set: set }))).matchedCount === 1;
    },
  };
};
