import type { SigningKeyStore } from '@caas/kit/signing-keys';
import { created, type MongoEngine, type MongoOptions, openMongo } from '@caas/mongo';
import { Binary } from 'mongodb';
import { auditKeysOf, checkpointsOf, mongoAuditIndexes } from './mongo/schema.ts';
import { treeStore } from './mongo/tree-store.ts';
import type { AuditStore, CheckpointStore } from './port.ts';

const bytesOf = (binary: Binary): Uint8Array => Uint8Array.from(binary.value());

const checkpointStore = (engine: MongoEngine): CheckpointStore => ({
  newest: async (tenantId) => {
    const row = await engine.run((db) => checkpointsOf(db).findOne({ _id: tenantId }));
    if (!row) return undefined;
    const { _id, rootHash, signature, ...checkpoint } = row;
    return { tenantId, ...checkpoint, rootHash: bytesOf(rootHash), signature: bytesOf(signature) };
  },
  keep: async ({ tenantId, treeSize, signedAtMs, keyId, rootHash, signature }) => {
    const row = { treeSize, signedAtMs, keyId, rootHash: new Binary(rootHash), signature: new Binary(signature) };
    await engine.run(async (db) => {
      const checkpoints = checkpointsOf(db);
      if (await created(checkpoints, { _id: tenantId, ...row })) return;
      await checkpoints.updateOne({ _id: tenantId, treeSize: { $lte: treeSize } }, { $set: row });
    });
  },
});

const signingKeyStore = (engine: MongoEngine): SigningKeyStore => ({
  add: ({ keyId, publicJwk, sealedPrivateKey, createdAtMs }) =>
    engine.run((db) =>
      created(auditKeysOf(db), { _id: keyId, publicJwk, sealedPrivateKey: new Binary(sealedPrivateKey), createdAtMs }),
    ),
  list: async () => {
    const sort = { createdAtMs: -1, _id: -1 } as const;
    const rows = await engine.run((db) => auditKeysOf(db).find({}, { sort }).toArray());
    return rows.map(({ _id, sealedPrivateKey, ...key }) => ({
      keyId: _id,
      ...key,
      sealedPrivateKey: bytesOf(sealedPrivateKey),
    }));
  },
  remove: async (keyId) => {
    await engine.run((db) => auditKeysOf(db).deleteOne({ _id: keyId }));
  },
});

/**
 * Opens the audit log in a MongoDB database: replica set or sharded cluster, 6.0 or later; sharded by `tenant`, so that a
 * tenant's entries are on one shard. Rejects UNAVAILABLE when the database cannot be reached and FAILED_PRECONDITION when its
 * indexes are not those of this program.
 */
export const openMongoAuditStore = async (options: MongoOptions): Promise<AuditStore> => {
  const engine = await openMongo(options, mongoAuditIndexes);
  return {
    trees: treeStore(engine),
    checkpoints: checkpointStore(engine),
    signingKeys: signingKeyStore(engine),
    close: () => engine.close(),
  };
};
