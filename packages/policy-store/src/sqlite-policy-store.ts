import { openSqliteHost } from '@caas/sqlite';
import { assertTenants } from './limits.ts';
import type { HeldPlace, PolicyStore } from './port.ts';
import type { open } from './sqlite-policy-worker.ts';

const beginning: HeldPlace = { heldAtMs: 0, heldId: '' };

/** Opens the policies in a SQLite file of their own. Rejects UNAVAILABLE or INTERNAL when it cannot be opened. */
export const openSqlitePolicyStore = async (options: { file: string }): Promise<PolicyStore> => {
  const host = await openSqliteHost<ReturnType<typeof open>>({
    file: options.file,
    module: new URL('./sqlite-policy-worker.ts', import.meta.url),
    writes: ['put', 'hold', 'removeHeldOf'],
  });
  return {
    // An array of its own: cloning a part of a buffer into the thread would clone the whole of it.
    put: (record) => host.call('put', { ...record, policy: Uint8Array.from(record.policy) }),
    get: (tenantId, version) => host.call('get', { tenantId, version }),
    versions: async (tenantIds) => {
      assertTenants(tenantIds);
      return host.call('versions', tenantIds);
    },
    hold: (record, max) => host.call('hold', { ...record, content: Uint8Array.from(record.content), max }),
    held: (tenantId, limit, after = beginning) => host.call('held', { tenantId, limit, after }),
    removeHeldOf: (tenantId, senderId) => host.call('removeHeldOf', { tenantId, senderId }),
    close: () => host.close(),
  };
};
