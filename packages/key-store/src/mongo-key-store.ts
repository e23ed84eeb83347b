import { CaasError } from '@caas/kit';
import { created, type MongoEngine, type MongoOptions, openMongo } from '@caas/mongo';
import { assertChanges, assertUsers, assertVersions } from './limits.ts';
import {
  mongoKeyIndexes,
  readKeys,
  storedKeys,
  type TenantRow,
  tenantKeysOf,
  type UserRow,
  userKey,
  userKeysOf,
} from './mongo/schema.ts';
import { userKeysName } from './names.ts';
import type { KeyStore, TenantKeyStore, TenantKeys, UserKeyStore, UserKeys, UserKeysChange } from './port.ts';

/** Attempts to destroy keys while others change them: each that fails, another's has succeeded. */
const maxDestroyAttempts = 10;

const tenantOf = ({ _id, keys, ...rest }: TenantRow): TenantKeys => ({ ...rest, keys: readKeys(keys) });
const userOf = ({ _id, keys, destroyedAtMs = 0, ...rest }: UserRow): UserKeys => ({
  ...rest,
  keys: readKeys(keys),
  destroyedAtMs,
});

const tenantStore = (engine: MongoEngine): TenantKeyStore => ({
  get: async (tenantId) => {
    const row = await engine.run((db) => tenantKeysOf(db).findOne({ _id: tenantId }));
    return row ? tenantOf(row) : undefined;
  },
  put: async (keys, expectRev) => {
    assertVersions(keys);
    const row = { tenantId: keys.tenantId, rev: expectRev + 1, keys: storedKeys(keys.keys) };
    return engine.run(async (db) => {
      if (expectRev === 0) return created(tenantKeysOf(db), { _id: keys.tenantId, ...row });
      const { matchedCount } = await tenantKeysOf(db).replaceOne({ _id: keys.tenantId, rev: expectRev }, row);
      return matchedCount === 1;
    });
  },
  list: async (afterTenantId, limit) => {
    assertUsers(limit);
    const rows = await engine.run((db) =>
      tenantKeysOf(db)
        .find({ _id: { $gt: afterTenantId } }, { sort: { _id: 1 }, limit })
        .toArray(),
    );
    return rows.map(tenantOf);
  },
});

const putOne = (engine: MongoEngine, { keys, expectRev }: UserKeysChange): Promise<boolean> => {
  const row = { tenantId: keys.tenantId, ref: keys.ref, userId: keys.userId, rev: expectRev + 1 };
  const document = { ...row, keys: storedKeys(keys.keys) };
  const _id = userKey(keys);
  return engine.run(async (db) => {
    if (expectRev === 0) return created(userKeysOf(db), { _id, ...document });
    const at = { _id, rev: expectRev, destroyedAtMs: { $exists: false } };
    const { matchedCount } = await userKeysOf(db).replaceOne(at, document);
    return matchedCount === 1;
  });
};

/** Destroys what is there, unless it has changed since it was read: undefined then. */
const destroyOnce = async (
  engine: MongoEngine,
  user: { tenantId: string; userId: string },
  atMs: number,
): Promise<UserKeys | undefined> => {
  const name = userKeysName(user.tenantId, user.userId);
  const _id = userKey(name);
  const row = await engine.run((db) => userKeysOf(db).findOne({ _id }));
  if (row?.destroyedAtMs !== undefined) return userOf(row);
  const keys = row ? readKeys<UserKeys['keys'][number]>(row.keys) : [];
  const destroyed = {
    ...name,
    userId: user.userId,
    rev: (row?.rev ?? 0) + 1,
    keys: storedKeys(keys.map((key) => ({ ...key, destroyedAtMs: key.destroyedAtMs || atMs }))),
    destroyedAtMs: atMs,
  };
  const done = await engine.run(async (db) => {
    if (!row) return created(userKeysOf(db), { _id, ...destroyed });
    return (await userKeysOf(db).replaceOne({ _id, rev: row.rev }, destroyed)).matchedCount === 1;
  });
  return done ? userOf({ _id, ...destroyed }) : undefined;
};

const userStore = (engine: MongoEngine): UserKeyStore => ({
  getMany: async (names) => {
    assertUsers(names.length);
    if (names.length === 0) return [];
    const ids = names.map(userKey);
    const rows = await engine.run((db) =>
      userKeysOf(db)
        .find({ _id: { $in: ids } })
        .toArray(),
    );
    const byId = new Map(rows.map((row) => [row._id, userOf(row)]));
    return ids.map((id) => byId.get(id));
  },
  put: async (changes) => {
    assertChanges(changes);
    return Promise.all(changes.map((change) => putOne(engine, change)));
  },
  destroy: async (user, atMs) => {
    for (let attempt = 0; attempt < maxDestroyAttempts; attempt += 1) {
      const destroyed = await destroyOnce(engine, user, atMs);
      if (destroyed) return destroyed;
    }
    throw new CaasError('UNAVAILABLE', 'the keys are being changed by others');
  },
  ofTenant: async (tenantId, afterRef, limit) => {
    assertUsers(limit);
    const rows = await engine.run((db) =>
      userKeysOf(db)
        .find({ tenantId, ref: { $gt: afterRef } }, { sort: { ref: 1 }, limit })
        .toArray(),
    );
    return rows.map(userOf);
  },
  destroyedAfter: async ({ destroyedAtMs, ref }, limit) => {
    assertUsers(limit);
    const after = [{ destroyedAtMs: { $gt: destroyedAtMs } }, { destroyedAtMs, ref: { $gt: ref } }];
    const rows = await engine.run((db) =>
      userKeysOf(db)
        .find({ $or: after }, { sort: { destroyedAtMs: 1, ref: 1 }, limit })
        .toArray(),
    );
    return rows.map(userOf);
  },
});

/**
 * Opens the keys in a MongoDB database: replica set or sharded cluster, 6.0 or later. Rejects UNAVAILABLE when the database
 * cannot be reached and FAILED_PRECONDITION when its indexes are not those of this program.
 */
export const openMongoKeyStore = async (options: MongoOptions): Promise<KeyStore> => {
  const engine = await openMongo(options, mongoKeyIndexes);
  return { tenants: tenantStore(engine), users: userStore(engine), close: () => engine.close() };
};
