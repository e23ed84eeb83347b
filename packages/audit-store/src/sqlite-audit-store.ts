import { fail } from '@caas/kit';
import type { SigningKeyStore } from '@caas/kit/signing-keys';
import { openSqliteHost, type SqliteHost } from '@caas/sqlite';
import { atMost } from './limits.ts';
import {
  type AuditStore,
  type CheckpointStore,
  maxEntriesPerCall,
  maxSubtreesPerCall,
  type NewEntry,
  type TreeStore,
} from './port.ts';
import type { open } from './sqlite-audit-worker.ts';

type Host = SqliteHost<ReturnType<typeof open>>;

/** Arrays of their own: cloning a part of a buffer into the thread would clone the whole of it. */
const owned = (entry: NewEntry): NewEntry => ({
  ...entry,
  leaf: Uint8Array.from(entry.leaf),
  subtrees: entry.subtrees.map((hash) => Uint8Array.from(hash)),
});

const treeStore = (host: Host): TreeStore => ({
  head: (tenantId) => host.call('head', tenantId),
  known: async (tenantId, eventIds) => {
    atMost('maxEntriesPerCall', eventIds.length, maxEntriesPerCall);
    return host.call('known', { tenantId, eventIds });
  },
  append: async (tenantId, size, entries) => {
    atMost('maxEntriesPerCall', entries.length, maxEntriesPerCall);
    return host.call('append', { tenantId, size, entries: entries.map(owned) });
  },
  leaves: async (tenantId, from, limit) => {
    atMost('maxEntriesPerCall', limit, maxEntriesPerCall);
    return host.call('leaves', { tenantId, from, limit });
  },
  subtrees: async (tenantId, subtrees) => {
    atMost('maxSubtreesPerCall', subtrees.length, maxSubtreesPerCall);
    const hashes = await host.call('subtrees', { tenantId, subtrees });
    return hashes.map((hash) => hash ?? fail('NOT_FOUND', 'there is no such subtree'));
  },
  query: async (query) => {
    atMost('maxEntriesPerCall', query.limit, maxEntriesPerCall);
    return host.call('query', query);
  },
});

const checkpointStore = (host: Host): CheckpointStore => ({
  newest: (tenantId) => host.call('newest', tenantId),
  keep: ({ rootHash, signature, ...checkpoint }) =>
    host.call('keep', {
      ...checkpoint,
      rootHash: Uint8Array.from(rootHash),
      signature: Uint8Array.from(signature),
    }),
});

const signingKeyStore = (host: Host): SigningKeyStore => ({
  add: (key) => host.call('addKey', { ...key, sealedPrivateKey: Uint8Array.from(key.sealedPrivateKey) }),
  list: () => host.call('listKeys', null),
  remove: (keyId) => host.call('removeKey', keyId),
});

/** Opens the audit log in a SQLite file of its own. Rejects UNAVAILABLE or INTERNAL when it cannot be opened. */
export const openSqliteAuditStore = async (options: { file: string }): Promise<AuditStore> => {
  const host: Host = await openSqliteHost<ReturnType<typeof open>>({
    file: options.file,
    module: new URL('./sqlite-audit-worker.ts', import.meta.url),
    writes: ['append'],
  });
  return {
    trees: treeStore(host),
    checkpoints: checkpointStore(host),
    signingKeys: signingKeyStore(host),
    close: () => host.close(),
  };
};
