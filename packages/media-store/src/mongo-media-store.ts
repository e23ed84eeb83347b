import { created, type MongoOptions, openMongo } from '@caas/mongo';
import { assertMedia } from './limits.ts';
import { mediaKey, mediaOf, mongoMediaIndexes, recordOf, rowOf } from './mongo/schema.ts';
import type { MediaStore } from './port.ts';

/**
 * Opens the records of media in a MongoDB database: replica set or sharded cluster, 6.0 or later. Rejects UNAVAILABLE when the
 * database cannot be reached and FAILED_PRECONDITION when its indexes are not those of this program.
 */
export const openMongoMediaStore = async (options: MongoOptions): Promise<MediaStore> => {
  const engine = await openMongo(options, mongoMediaIndexes);
  return {
    create: (record) => engine.run((db) => created(mediaOf(db), rowOf({ ...record, rev: 1 }))),
    replace: (record) =>
      engine.run(async (db) => {
        const { _id, ...row } = rowOf({ ...record, rev: record.rev + 1 });
        return (await mediaOf(db).replaceOne({ _id, rev: record.rev }, row)).matchedCount === 1;
      }),
    getMany: async (tenantId, mediaIds) => {
      assertMedia(mediaIds.length);
      if (mediaIds.length === 0) return [];
      const ids = mediaIds.map((mediaId) => mediaKey({ tenantId, mediaId }));
      const rows = await engine.run((db) =>
        mediaOf(db)
          .find({ _id: { $in: ids } })
          .toArray(),
      );
      const byId = new Map(rows.map((row) => [row._id, recordOf(row)]));
      return ids.map((id) => byId.get(id));
    },
    ofUser: async ({ tenantId, userId }, afterMediaId, limit) => {
      assertMedia(limit);
      const rows = await engine.run((db) =>
        mediaOf(db)
          .find({ tenantId, userId, mediaId: { $gt: afterMediaId } }, { sort: { mediaId: 1 }, limit })
          .toArray(),
      );
      return rows.map(recordOf);
    },
    countOf: ({ tenantId, userId }, states) =>
      engine.run((db) => mediaOf(db).countDocuments({ tenantId, userId, state: { $in: [...states] } })),
    bytesOf: async (tenantId, states) => {
      const rows = await engine.run((db) =>
        mediaOf(db)
          .aggregate<{ bytes: number }>([
            { $match: { tenantId, state: { $in: [...states] } } },
            { $group: { _id: null, bytes: { $sum: '$sizeBytes' } } },
          ])
          .toArray(),
      );
      return Number(rows[0]?.bytes ?? 0);
    },
    due: async (atMs, limit) => {
      assertMedia(limit);
      const rows = await engine.run((db) =>
        mediaOf(db)
          .find({ dueAtMs: { $lte: atMs } }, { sort: { dueAtMs: 1 }, limit })
          .toArray(),
      );
      return rows.map(recordOf);
    },
    close: () => engine.close(),
  };
};
