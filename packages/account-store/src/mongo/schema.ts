/**
 * Accounts as they lie in MongoDB: one document each, with the names of the port. `_id` is what identifies, the tenant in it
 * first; there is no other unique index.
 */
import { type CollectionIndexes, textKey } from '@caas/mongo';
import type { Binary, Collection, Db } from 'mongodb';
import type { App, Session, SessionKey, Tenant, User } from '../port.ts';

interface Row {
  _id: string;
}
export type TenantRow = Row & Tenant;
export type AppRow = Row & App;
/** Metadata is JSON text, because a field's name may not be just any text. */
export type UserRow = Row & Omit<User, 'metadata'> & { metadata: string };
export type SessionRow = Row &
  Session & {
    /** False once it has ended; expiry is not in it. */
    open: boolean;
    /** Which call ended it. */
    endedBy?: string;
  };
export interface SigningKeyRow extends Row {
  publicJwk: string;
  sealedPrivateKey: Binary;
  createdAtMs: number;
}

/** The indexes of the account store's collections. All but sessions are found by `_id` alone. */
export const mongoAccountIndexes: readonly CollectionIndexes[] = [
  {
    collection: 'sessions',
    indexes: [
      { name: 'open', key: { tenantId: 1, userId: 1, open: 1, createdAtMs: 1, sessionId: 1 } },
      { name: 'user', key: { tenantId: 1, userId: 1, sessionId: 1 } },
      { name: 'ended', key: { endedAtMs: 1, sessionId: 1 } },
      { name: 'expiry', key: { expiresAtMs: 1 } },
    ],
  },
];

export const tenantsOf = (db: Db): Collection<TenantRow> => db.collection('tenants');
export const appsOf = (db: Db): Collection<AppRow> => db.collection('apps');
export const usersOf = (db: Db): Collection<UserRow> => db.collection('users');
export const sessionsOf = (db: Db): Collection<SessionRow> => db.collection('sessions');
export const signingKeysOf = (db: Db): Collection<SigningKeyRow> => db.collection('signing_keys');

export const userKey = (tenantId: string, userId: string): string => textKey(tenantId, userId);
export const sessionKey = ({ tenantId, sessionId }: SessionKey): string => textKey(tenantId, sessionId);
