import { created, type MongoEngine, type MongoOptions, openMongo } from '@caas/mongo';
import { assertCount } from './limits.ts';
import { bare, holdsOf, jobOf, jobsOf, keyOf, mongoPrivacyIndexes, retentionOf, rowOf } from './mongo/schema.ts';
import { type HoldStore, type JobStore, maxHolds, type PrivacyStore, type RetentionStore } from './port.ts';

const jobStore = (engine: MongoEngine): JobStore => ({
  create: (job) => engine.run((db) => created(jobsOf(db), rowOf({ ...job, rev: 1 }))),
  get: async (tenantId, jobId) => {
    const row = await engine.run((db) => jobsOf(db).findOne({ _id: keyOf(tenantId, jobId) }));
    return row ? jobOf(row) : undefined;
  },
  replace: (job) =>
    engine.run(async (db) => {
      const { _id, ...row } = rowOf({ ...job, rev: job.rev + 1 });
      return (await jobsOf(db).replaceOne({ _id, rev: job.rev }, row)).matchedCount === 1;
    }),
  list: async (tenantId, after, limit) => {
    assertCount(limit);
    if (limit < 1) return [];
    const before = after && {
      $or: [
        { createdAtMs: { $lt: after.createdAtMs } },
        { createdAtMs: after.createdAtMs, jobId: { $lt: after.jobId } },
      ],
    };
    const rows = await engine.run((db) =>
      jobsOf(db)
        .find({ tenantId, ...before }, { sort: { createdAtMs: -1, jobId: -1 }, limit })
        .toArray(),
    );
    return rows.map(jobOf);
  },
  destroying: async (tenantId, afterJobId, limit) => {
    assertCount(limit);
    // Jobs that go on are few: the index of those gives them.
    const filter = { dueAtMs: { $gt: 0 }, tenantId, destroying: true, jobId: { $gt: afterJobId } };
    return (
      await engine.run((db) =>
        jobsOf(db)
          .find(filter, { sort: { jobId: 1 }, limit })
          .toArray(),
      )
    ).map(jobOf);
  },
  due: async (atMs, limit) => {
    assertCount(limit);
    const rows = await engine.run((db) =>
      jobsOf(db)
        .find({ dueAtMs: { $lte: atMs } }, { sort: { dueAtMs: 1 }, limit })
        .toArray(),
    );
    return rows.map(jobOf);
  },
});

const holdStore = (engine: MongoEngine): HoldStore => ({
  put: (hold) =>
    engine.run(async (db) => {
      const holds = holdsOf(db);
      const _id = keyOf(hold.tenantId, hold.holdId);
      // Two at the bound at the same moment may pass it by one: it bounds a list, and no right hangs on it.
      const others = await holds.countDocuments({ tenantId: hold.tenantId, _id: { $ne: _id } }, { limit: maxHolds });
      if (others >= maxHolds) return false;
      await holds.replaceOne({ _id }, hold, { upsert: true });
      return true;
    }),
  remove: (tenantId, holdId) =>
    engine.run(async (db) => (await holdsOf(db).deleteOne({ _id: keyOf(tenantId, holdId) })).deletedCount === 1),
  list: async (tenantId) => {
    const rows = await engine.run((db) =>
      holdsOf(db)
        .find({ tenantId }, { sort: { holdId: 1 } })
        .toArray(),
    );
    return rows.map(bare);
  },
});

const retentionStore = (engine: MongoEngine): RetentionStore => ({
  put: (rule) =>
    engine.run(async (db) => {
      const _id = keyOf(rule.tenantId, rule.conversationId);
      if (rule.keepMs > 0) await retentionOf(db).replaceOne({ _id }, rule, { upsert: true });
      else await retentionOf(db).deleteOne({ _id });
    }),
  getMany: async (tenantId, conversationIds) => {
    assertCount(conversationIds.length);
    if (conversationIds.length === 0) return [];
    const ids = conversationIds.map((conversationId) => keyOf(tenantId, conversationId));
    const rows = await engine.run((db) =>
      retentionOf(db)
        .find({ _id: { $in: ids } })
        .toArray(),
    );
    const byId = new Map(rows.map((row) => [row._id, bare(row)]));
    return ids.map((id) => byId.get(id));
  },
  list: async (tenantId, after, limit) => {
    assertCount(limit);
    if (limit < 1) return [];
    const filter = { tenantId, ...(after !== undefined && { conversationId: { $gt: after } }) };
    const rows = await engine.run((db) =>
      retentionOf(db)
        .find(filter, { sort: { conversationId: 1 }, limit })
        .toArray(),
    );
    return rows.map(bare);
  },
  tenants: async (after, limit) => {
    assertCount(limit);
    if (limit < 1) return [];
    const stages = [
      { $match: { tenantId: { $gt: after } } },
      { $group: { _id: '$tenantId' } },
      { $sort: { _id: 1 } },
      { $limit: limit },
    ];
    const rows = await engine.run((db) => retentionOf(db).aggregate<{ _id: string }>(stages).toArray());
    return rows.map(({ _id }) => _id);
  },
});

/**
 * Opens the privacy store in a MongoDB database: replica set or sharded cluster, 6.0 or later. Rejects UNAVAILABLE when the
 * database cannot be reached and FAILED_PRECONDITION when its indexes are not those of this program.
 */
export const openMongoPrivacyStore = async (options: MongoOptions): Promise<PrivacyStore> => {
  const engine = await openMongo(options, mongoPrivacyIndexes);
  return {
    jobs: jobStore(engine),
    holds: holdStore(engine),
    retention: retentionStore(engine),
    close: () => engine.close(),
  };
};
