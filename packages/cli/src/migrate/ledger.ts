import { fail } from '@caas/kit';
import { type Collection, type Db, MongoServerError, type ObjectId } from 'mongodb';
import type { Pair } from './names.ts';
import { type Homes, homesIn, type MigrationState } from './states.ts';

/*
 * What the migration remembers, in the old service's database: those who have to ask it, the old service and the tenant's
 * backend, have a connection there, and it goes when that database goes.
 */

/** A tenant. `state`, `write` and `read` are for others to read, too. */
export interface TenantRow extends Homes {
  /** The tenant in CAAS. */
  _id: string;
  oldTenantId: string;
  state: MigrationState;
  /** Changes of state, newest last. */
  history: { state: MigrationState; at: Date }[];
  /** Number of the command that began last; those with a smaller one change nothing any more. */
  run: number;
  /** Where the old side has what the log of CAAS holds: by "topic-partition" the next offset. JSON, for names have dots. */
  followed: string;
  /** Conversations of which records were accepted that the workers of CAAS have put aside: not on the old side yet. */
  keptBack: string[];
}

/** A conversation that is on both sides. */
export interface ConversationRow {
  /** Run that wrote the row last. */
  run: number;
  tenantId: string;
  conversationId: string;
  oldId: ObjectId;
  /** Revision of the head above which the last import began. */
  baseRev: number;
  /** Of what that import made of the old documents; empty: to be written anew. */
  checksum: string;
  /** Revision and seq in CAAS up to which the old side has it. */
  syncedRev: number;
  syncedSeq: number;
  /** When the old side's last message was created, UTC milliseconds; what is written back comes after it. */
  lastCreatedAtMs: number;
}

/** How far the old side has what the log of CAAS holds. */
export interface Followed {
  /** By "topic-partition" the next offset. */
  next: Readonly<Record<string, number>>;
  keptBack: ReadonlySet<string>;
}

export const followedOf = ({
  followed,
  keptBack,
}: TenantRow): { next: Record<string, number>; keptBack: Set<string> } => ({
  next: JSON.parse(followed) as Record<string, number>,
  keptBack: new Set(keptBack),
});

const duplicateKey = 11_000;

/** A later run has begun: whatever this one still wanted to write is that one's now. */
export const overtaken = (tenantId: string): never =>
  fail('FAILED_PRECONDITION', `another migration command has begun for ${tenantId}; this one changes nothing more`);

export class Ledger {
  readonly #tenants: Collection<TenantRow>;
  readonly #conversations: Collection<ConversationRow & { _id: string }>;

  constructor(db: Db) {
    this.#tenants = db.collection('caas_migrations');
    this.#conversations = db.collection('caas_migrated_conversations');
  }

  async tenant(tenantId: string): Promise<TenantRow | undefined> {
    return (await this.#tenants.findOne({ _id: tenantId })) ?? undefined;
  }

  /**
   * Begins a run in one of some states: the runs before it end at their next write. One tenant of CAAS is fed by one old
   * tenant.
   */
  async begin({ tenantId, oldTenantId }: Pair, states: readonly MigrationState[]): Promise<TenantRow> {
    await this.#expect({ tenantId, oldTenantId }, states);
    const first = {
      oldTenantId,
      state: 'off' as const,
      ...homesIn.off,
      history: [{ state: 'off' as const, at: new Date() }],
      followed: '{}',
      keptBack: [],
    };
    const row = await this.#tenants.findOneAndUpdate(
      { _id: tenantId },
      { $setOnInsert: first, $inc: { run: 1 } },
      { upsert: true, returnDocument: 'after' },
    );
    return row ?? fail('INTERNAL', 'the migration is gone');
  }

  /** Before anything is written, so that a wrong command ends no run. */
  async #expect({ tenantId, oldTenantId }: Pair, states: readonly MigrationState[]): Promise<void> {
    const row = await this.tenant(tenantId);
    if (row && row.oldTenantId !== oldTenantId)
      fail('FAILED_PRECONDITION', `tenant ${tenantId} is migrated from ${row.oldTenantId}, not from ${oldTenantId}`);
    const state = row?.state ?? 'off';
    if (!states.includes(state))
      fail('FAILED_PRECONDITION', `tenant ${tenantId} is ${state}; this is for one that is ${states.join(' or ')}`);
  }

  /** Moves a tenant from one of some states to another; that it is there already is no fault. */
  async moveTo(tenantId: string, from: readonly MigrationState[], state: MigrationState): Promise<TenantRow> {
    const moved = await this.#tenants.findOneAndUpdate(
      { _id: tenantId, state: { $in: [...from] } },
      { $set: { state, ...homesIn[state] }, $push: { history: { state, at: new Date() } } },
      { returnDocument: 'after' },
    );
    const row = moved ?? (await this.tenant(tenantId));
    if (row?.state === state) return row;
    return fail(
      'FAILED_PRECONDITION',
      `a tenant that is ${row?.state ?? 'not migrated'} can't become ${state}, only one that is ${from.join(' or ')}`,
    );
  }

  /** Keeps how far the log has been followed, and whose records were met that are put aside. */
  async keepFollowed(tenantId: string, run: number, { next, keptBack }: Followed): Promise<void> {
    const kept = { $set: { followed: JSON.stringify(next), keptBack: [...keptBack].sort() } };
    const { matchedCount } = await this.#tenants.updateOne({ _id: tenantId, run }, kept);
    if (matchedCount === 0) overtaken(tenantId);
  }

  async conversation(tenantId: string, conversationId: string): Promise<ConversationRow | undefined> {
    const _id = rowId(tenantId, conversationId);
    return (await this.#conversations.findOne({ _id }, { projection: { _id: 0 } })) ?? undefined;
  }

  /** All conversations of the tenant that are on both sides. */
  conversations(tenantId: string): AsyncIterable<ConversationRow> {
    return this.#conversations.find({ tenantId }, { sort: { _id: 1 }, projection: { _id: 0 } });
  }

  /** Keeps a row, unless a later run has written it. */
  async put(row: ConversationRow): Promise<void> {
    const _id = rowId(row.tenantId, row.conversationId);
    try {
      await this.#conversations.updateOne({ _id, run: { $lte: row.run } }, { $set: row }, { upsert: true });
    } catch (thrown) {
      if (thrown instanceof MongoServerError && thrown.code === duplicateKey) overtaken(row.tenantId);
      throw thrown;
    }
  }

  /** The next import writes the conversation anew. */
  async doubt(tenantId: string, conversationId: string): Promise<void> {
    await this.#conversations.updateOne({ _id: rowId(tenantId, conversationId) }, { $set: { checksum: '' } });
  }
}

const rowId = (tenantId: string, conversationId: string): string => `${tenantId} ${conversationId}`;
