/** Where a tenant stands between the old service and CAAS. docs/migration.md says what each state means to whom. */
export const migrationStates = ['off', 'frozen', 'dual-write', 'read-new', 'returning', 'done'] as const;
export type MigrationState = (typeof migrationStates)[number];

/** Where the tenant's users send and where they read; 'none': nowhere, while what came last is brought over. */
export interface Homes {
  write: 'old' | 'new' | 'none';
  read: 'old' | 'new';
}

/** Writes have one home at any time: two could not agree on one order. */
export const homesIn: Readonly<Record<MigrationState, Homes>> = {
  off: { write: 'old', read: 'old' },
  frozen: { write: 'none', read: 'old' },
  'dual-write': { write: 'new', read: 'old' },
  'read-new': { write: 'new', read: 'new' },
  returning: { write: 'none', read: 'old' },
  done: { write: 'new', read: 'new' },
};

/** How old an answer of the flags may be, in milliseconds: so long after a change the last process acts by it. */
export const flagMaxAgeMs = 1_000;
