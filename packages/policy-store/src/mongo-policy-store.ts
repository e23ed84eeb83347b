import { created, type MongoEngine, type MongoOptions, openMongo } from '@caas/mongo';
import { Binary } from 'mongodb';
import { assertTenants } from './limits.ts';
import { heldIn, heldKey, mongoPolicyIndexes, type PolicyRow, policiesOf, policyKey } from './mongo/schema.ts';
import type { HeldPlace, HeldRecord, PolicyRecord, PolicyStore } from './port.ts';

const recordOf = ({ tenant, version, policy, putAtMs }: PolicyRow): PolicyRecord => ({
  tenantId: tenant,
  version,
  policy: Uint8Array.from(policy.value()),
  putAtMs,
});

const put = (engine: MongoEngine, { tenantId, version, policy, putAtMs }: PolicyRecord): Promise<boolean> =>
  engine.run(async (db) => {
    const policies = policiesOf(db);
    const _id = policyKey(tenantId, version);
    // Versions come one after the other, so that the one before is there says that none is left out.
    if (version > 1 && !(await policies.findOne({ _id: policyKey(tenantId, version - 1) }))) return false;
    return created(policies, { _id, tenant: tenantId, version, policy: new Binary(policy), putAtMs });
  });

const hold = (
  engine: MongoEngine,
  { tenantId, heldId, senderId, content, heldAtMs }: HeldRecord,
  max: number,
): Promise<boolean> =>
  engine.run(async (db) => {
    const held = heldIn(db);
    const _id = heldKey(tenantId, heldId);
    if (await held.findOne({ _id }, { projection: { _id: 1 } })) return true;
    if ((await held.countDocuments({ tenant: tenantId }, { limit: max })) >= max) return false;
    // Whether this call or one that races with it made it, it is kept.
    await created(held, { _id, tenant: tenantId, heldId, senderId, heldAtMs, content: new Binary(content) });
    return true;
  });

const held = (engine: MongoEngine, tenant: string, limit: number, after?: HeldPlace): Promise<HeldRecord[]> =>
  engine.run(async (db) => {
    const { heldAtMs, heldId } = after ?? { heldAtMs: 0, heldId: '' };
    const later = [{ heldAtMs: { $gt: heldAtMs } }, { heldAtMs, heldId: { $gt: heldId } }];
    const rows = heldIn(db).find({ tenant, heldAtMs: { $gte: heldAtMs }, $or: later });
    const sorted = await rows.sort({ tenant: 1, heldAtMs: 1, heldId: 1 }).limit(limit).toArray();
    return sorted.map((row) => ({
      tenantId: tenant,
      heldId: row.heldId,
      senderId: row.senderId,
      content: Uint8Array.from(row.content.value()),
      heldAtMs: row.heldAtMs,
    }));
  });

/**
 * Opens the policies in a MongoDB database: replica set or sharded cluster, 6.0 or later; sharded by `tenant`. Rejects
 * UNAVAILABLE when the database cannot be reached and FAILED_PRECONDITION when its indexes are not those of this program.
 */
export const openMongoPolicyStore = async (options: MongoOptions): Promise<PolicyStore> => {
  const engine = await openMongo(options, mongoPolicyIndexes);
  return {
    put: (record) => put(engine, record),
    get: async (tenantId, version) => {
      const row = await engine.run((db) =>
        version === 0
          ? policiesOf(db).findOne({ tenant: tenantId }, { sort: { version: -1 } })
          : policiesOf(db).findOne({ _id: policyKey(tenantId, version) }),
      );
      return row ? recordOf(row) : undefined;
    },
    versions: async (tenantIds) => {
      assertTenants(tenantIds);
      const rows = await engine.run((db) =>
        policiesOf(db)
          .aggregate<{ _id: string; version: number }>([
            { $match: { tenant: { $in: [...tenantIds] } } },
            { $group: { _id: '$tenant', version: { $max: '$version' } } },
          ])
          .toArray(),
      );
      const found = new Map(rows.map(({ _id, version }) => [_id, version]));
      return tenantIds.map((tenantId) => found.get(tenantId) ?? 0);
    },
    hold: (record, max) => hold(engine, record, max),
    held: (tenantId, limit, after) => held(engine, tenantId, limit, after),
    removeHeldOf: (tenant, senderId) =>
      engine.run(async (db) => (await heldIn(db).deleteMany({ tenant, senderId })).deletedCount),
    close: () => engine.close(),
  };
};
