import { openSqliteHost } from '@caas/sqlite';
import { assertChanges, assertUsers, assertVersions } from './limits.ts';
import { userKeysName } from './names.ts';
import type { KeyStore } from './port.ts';
import type { open } from './sqlite-key-worker.ts';

/** A slice of a pooled buffer would take the whole pool along into the thread. */
const ownBytes = <K extends { wrapped: Uint8Array }>(keys: readonly K[]): K[] =>
  keys.map((key) => ({ ...key, wrapped: Uint8Array.from(key.wrapped) }));

/** Opens the keys in a SQLite file of their own. Rejects UNAVAILABLE or INTERNAL when it cannot be opened. */
export const openSqliteKeyStore = async ({ file }: { file: string }): Promise<KeyStore> => {
  const module = new URL('./sqlite-key-worker.ts', import.meta.url);
  const host = await openSqliteHost<ReturnType<typeof open>>({ file, module });
  return {
    tenants: {
      get: (tenantId) => host.call('getTenant', tenantId),
      put: async (keys, expectRev) => {
        assertVersions(keys);
        return host.call('putTenant', { keys: { ...keys, keys: ownBytes(keys.keys) }, expectRev });
      },
      list: async (afterTenantId, limit) => {
        assertUsers(limit);
        return host.call('listTenants', { afterTenantId, limit });
      },
    },
    users: {
      getMany: async (names) => {
        assertUsers(names.length);
        return names.length === 0 ? [] : host.call('getUsers', names);
      },
      put: async (changes) => {
        assertChanges(changes);
        const own = changes.map(({ keys, expectRev }) => ({ expectRev, keys: { ...keys, keys: ownBytes(keys.keys) } }));
        return own.length === 0 ? [] : host.call('putUsers', own);
      },
      destroy: ({ tenantId, userId }, atMs) =>
        host.call('destroyUser', { ...userKeysName(tenantId, userId), userId, atMs }),
      ofTenant: async (tenantId, afterRef, limit) => {
        assertUsers(limit);
        return host.call('ofTenant', { tenantId, afterRef, limit });
      },
      destroyedAfter: async (cursor, limit) => {
        assertUsers(limit);
        return host.call('destroyedAfter', { cursor, limit });
      },
    },
    close: () => host.close(),
  };
};
