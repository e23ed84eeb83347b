import type { NewEntry, TreeStore } from '@caas/audit-store';
import { Frontier, frontierOf } from '@caas/compliance-client/merkle';
import { CaasError, type Clock, chunksOf } from '@caas/kit';
import { AuditEntry } from '@caas/proto/caas/compliance/v1/audit_service';
import type { AuditEvent } from '@caas/proto/caas/events/v1/audit_event';
import { maxAppendRounds, maxEventsPerAppend, maxRememberedTrees } from '../limits.ts';

/** The end of a tree: what is needed to let it grow. */
interface TreeEnd {
  frontier: Frontier;
  loggedAtMs: number;
}

/** The tree of a tenant as the store has it now. */
export const readTree = async (store: TreeStore, tenantId: string): Promise<TreeEnd> => {
  const { size, loggedAtMs } = await store.head(tenantId);
  return { frontier: await frontierAt(store, tenantId, size), loggedAtMs };
};

/** What is known of a tree when it had that many entries; NOT_FOUND when it never had. */
export const frontierAt = async (store: TreeStore, tenantId: string, size: number): Promise<Frontier> =>
  new Frontier(size, await store.subtrees(tenantId, frontierOf(size)));

const entryOf = (event: AuditEvent, { frontier, loggedAtMs }: TreeEnd): NewEntry => {
  const leaf = AuditEntry.encode({ tenantId: event.tenantId, index: frontier.size, loggedAtMs, event }).finish();
  const { eventId, atMs, actorId, subjectId, action, traceId } = event;
  const subtrees = frontier.add(leaf);
  return { eventId, atMs, actorId, subjectId, action, traceId, loggedAtMs, leaf, subtrees };
};

/**
 * Lets the tenants' trees grow by what comes from the log. Each event is one entry, however often it comes: its id decides,
 * not its place in the log, which another log may give to another event. Another instance that writes to the same tree is
 * noticed by the store's compare-and-set, and both go on from what is there.
 */
export class Trees {
  readonly #store: TreeStore;
  readonly #clock: Clock;
  /** Least recently written to first. */
  readonly #ends = new Map<string, TreeEnd>();

  constructor(store: TreeStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Appends the events of one tenant that have no entry yet, in order; answers how many. */
  async append(tenantId: string, events: readonly AuditEvent[]): Promise<number> {
    let appended = 0;
    for (const chunk of chunksOf(events, maxEventsPerAppend)) appended += await this.#appendChunk(tenantId, chunk);
    return appended;
  }

  async #appendChunk(tenantId: string, events: readonly AuditEvent[]): Promise<number> {
    let appended = 0;
    for (let round = 0; round < maxAppendRounds; round += 1) {
      const fresh = await this.#withoutEntry(tenantId, events);
      if (fresh.length === 0) return appended;
      const end = await this.#endOf(tenantId);
      const next: TreeEnd = { frontier: end.frontier.copy(), loggedAtMs: Math.max(this.#clock.now(), end.loggedAtMs) };
      const entries = fresh.map((event) => entryOf(event, next));
      const taken = await this.#store.append(tenantId, end.frontier.size, entries).catch((fault: unknown) => {
        // What of it there is now, only the store can tell.
        this.#ends.delete(tenantId);
        throw fault;
      });
      appended += taken;
      if (taken === entries.length) {
        this.#remember(tenantId, next);
        return appended;
      }
      this.#ends.delete(tenantId);
    }
    throw new CaasError('UNAVAILABLE', 'the tree of the tenant changes too fast');
  }

  async #withoutEntry(tenantId: string, events: readonly AuditEvent[]): Promise<AuditEvent[]> {
    const byId = new Map<string, AuditEvent>();
    for (const event of events) if (!byId.has(event.eventId)) byId.set(event.eventId, event);
    for (const eventId of await this.#store.known(tenantId, [...byId.keys()])) byId.delete(eventId);
    return [...byId.values()];
  }

  async #endOf(tenantId: string): Promise<TreeEnd> {
    return this.#ends.get(tenantId) ?? readTree(this.#store, tenantId);
  }

  #remember(tenantId: string, end: TreeEnd): void {
    this.#ends.delete(tenantId);
    this.#ends.set(tenantId, end);
    if (this.#ends.size > maxRememberedTrees) this.#ends.delete(this.#ends.keys().next().value as string);
  }
}
