import type { SigningKeyStore } from '@caas/kit/signing-keys';
import { created, type MongoEngine, type MongoOptions, openMongo } from '@caas/mongo';
import { Binary } from 'mongodb';
import { atMost } from './limits.ts';
import { appsOf, mongoAccountIndexes, signingKeysOf, tenantsOf } from './mongo/schema.ts';
import { sessionStore } from './mongo/session-store.ts';
import { userStore } from './mongo/user-store.ts';
import { type AccountStore, type AppStore, maxAppSecrets, type TenantStore } from './port.ts';

const tenantStore = (engine: MongoEngine): TenantStore => ({
  create: (tenant) => engine.run((db) => created(tenantsOf(db), { _id: tenant.tenantId, ...tenant })),
  get: async (tenantId) => {
    const row = await engine.run((db) => tenantsOf(db).findOne({ _id: tenantId }, { projection: { _id: 0 } }));
    return row ?? undefined;
  },
});

const appStore = (engine: MongoEngine): AppStore => ({
  create: async (app) => {
    atMost('maxAppSecrets', app.secrets.length, maxAppSecrets);
    return engine.run((db) => created(appsOf(db), { _id: app.appId, ...app, version: 1 }));
  },
  get: async (appId) => {
    const row = await engine.run((db) => appsOf(db).findOne({ _id: appId }, { projection: { _id: 0 } }));
    return row ?? undefined;
  },
  replaceSecrets: async (appId, expectVersion, secrets) => {
    atMost('maxAppSecrets', secrets.length, maxAppSecrets);
    const change = { $set: { secrets: [...secrets] }, $inc: { version: 1 } };
    const { matchedCount } = await engine.run((db) =>
      appsOf(db).updateOne({ _id: appId, version: expectVersion }, change),
    );
    return matchedCount === 1;
  },
});

const signingKeyStore = (engine: MongoEngine): SigningKeyStore => ({
  add: ({ keyId, publicJwk, sealedPrivateKey, createdAtMs }) =>
    engine.run((db) =>
      created(signingKeysOf(db), {
        _id: keyId,
        publicJwk,
        sealedPrivateKey: new Binary(sealedPrivateKey),
        createdAtMs,
      }),
    ),
  list: async () => {
    const sort = { createdAtMs: -1, _id: -1 } as const;
    const rows = await engine.run((db) => signingKeysOf(db).find({}, { sort }).toArray());
    return rows.map(({ _id, sealedPrivateKey, ...key }) => ({
      keyId: _id,
      ...key,
      sealedPrivateKey: Uint8Array.from(sealedPrivateKey.value()),
    }));
  },
  remove: async (keyId) => {
    await engine.run((db) => signingKeysOf(db).deleteOne({ _id: keyId }));
  },
});

/**
 * Opens the accounts in a MongoDB database: replica set or sharded cluster, 6.0 or later. Rejects UNAVAILABLE when the
 * database cannot be reached and FAILED_PRECONDITION when its indexes are not those of this program.
 */
export const openMongoAccountStore = async (options: MongoOptions): Promise<AccountStore> => {
  const engine = await openMongo(options, mongoAccountIndexes);
  return {
    tenants: tenantStore(engine),
    apps: appStore(engine),
    users: userStore(engine),
    sessions: sessionStore(engine),
    signingKeys: signingKeyStore(engine),
    close: () => engine.close(),
  };
};
