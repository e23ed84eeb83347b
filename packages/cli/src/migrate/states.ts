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

/** From which states `--to` may move a tenant; `returning` is entered and left by the rollback alone. */
export const movesTo: Readonly<Record<Exclude<MigrationState, 'returning'>, readonly MigrationState[]>> = {
  off: ['frozen'],
  frozen: ['off'],
  'dual-write': ['frozen', 'read-new'],
  'read-new': ['dual-write'],
  done: ['read-new'],
};

/** States in which the old side may be imported from. */
export const importable: readonly MigrationState[] = ['off', 'frozen'];
/** States in which users send to CAAS and the old side is fed from it. */
export const fedBack: readonly MigrationState[] = ['dual-write', 'read-new'];

/** How old an answer of the flags may be, in milliseconds: so long after a change the last process acts by it. */
export const flagMaxAgeMs = 1_000;
/** How long a write to the old service may take that began by the flags of before, in milliseconds. */
const underWayMs = 4_000;
/** After how long in a state nobody writes by the flags of the one before, in milliseconds. */
export const settledAfterMs = flagMaxAgeMs + underWayMs;
