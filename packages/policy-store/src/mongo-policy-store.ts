import { created, type MongoEngine, type MongoOptions, openMongo } from '@caas/mongo';
import { Binary } from 'mongodb';
import { assertTenants } from './limits.ts';
import { mongoPolicyIndexes, type PolicyRow, policiesOf, policyKey } from './mongo/schema.ts';
import type { PolicyRecord, PolicyStore } from './port.ts';

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
    close: () => engine.close(),
  };
};
