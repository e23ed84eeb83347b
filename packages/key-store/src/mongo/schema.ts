/** Keys as they lie in MongoDB: one document a tenant and one a user, with all keys of it. */
import { type CollectionIndexes, textKey } from '@caas/mongo';
import { Binary, type Collection, type Db } from 'mongodb';
import type { TenantKeys, UserKeys, UserKeysName } from '../port.ts';

type Stored<K extends { wrapped: Uint8Array }> = Omit<K, 'wrapped'> & { wrapped: Binary };
type StoredIn<D extends { keys: { wrapped: Uint8Array }[] }> = Omit<D, 'keys'> & { keys: Stored<D['keys'][number]>[] };

export type TenantRow = StoredIn<TenantKeys> & { _id: string };
/** `destroyedAtMs` is absent while there is none, so that its index holds the destroyed alone. */
export type UserRow = Omit<StoredIn<UserKeys>, 'destroyedAtMs'> & { _id: string; destroyedAtMs?: number };

export const mongoKeyIndexes: readonly CollectionIndexes[] = [
  {
    collection: 'user_keys',
    indexes: [
      { name: 'tenant', key: { tenantId: 1, ref: 1 } },
      { name: 'destroyed', key: { destroyedAtMs: 1, ref: 1 }, sparse: true },
    ],
  },
];

export const tenantKeysOf = (db: Db): Collection<TenantRow> => db.collection('tenant_keys');
export const userKeysOf = (db: Db): Collection<UserRow> => db.collection('user_keys');

export const userKey = ({ tenantId, ref }: UserKeysName): string => textKey(tenantId, ref);

export const storedKeys = <K extends { wrapped: Uint8Array; destroyedAtMs: number }>(keys: readonly K[]): Stored<K>[] =>
  keys.map((key) => ({ ...key, wrapped: new Binary(key.destroyedAtMs === 0 ? key.wrapped : new Uint8Array(0)) }));

export const readKeys = <K extends { wrapped: Uint8Array }>(keys: readonly Stored<K>[]): K[] =>
  keys.map((key) => ({ ...key, wrapped: Uint8Array.from(key.wrapped.value()) }) as unknown as K);
