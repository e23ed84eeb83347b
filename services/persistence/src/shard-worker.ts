import type { GroupOffset, LogRecord, ShardHandler } from '@caas/event-log';
import { CaasError, isPassing, type Logger, traceIdOf } from '@caas/kit';
import type { DeadLetters } from './dead-letters.ts';
import { retriedHeader } from './dead-letters.ts';
import { decode } from './decode.ts';
import { findMissed, missedRecords } from './missed-records.ts';
import type { NoticeQueue } from './notice-queue.ts';
import { type Persistence, type PersistPorts, persistGroups } from './persist-groups.ts';
import { ShardPosition } from './shard-position.ts';
import { conversationName, type Group, rebuildRevGap, ShardState } from './shard-state.ts';
import { type DecodedEvent, groupsOf, slicesOf } from './slices.ts';
import type { Counters } from './stats.ts';

/** Records applied together, and read at once of each partition, while a store is brought up to where the group stands. */
const catchUpRecords = 1_000;
/** Traces told of one batch in the log. */
const maxTracesTold = 100;

/** One assignment. */
interface HeldShard {
  state: ShardState;
  position: ShardPosition;
}

export interface ShardWorkerParts extends PersistPorts {
  deadLetters: DeadLetters;
  notices: NoticeQueue;
  counters: Counters;
  logger: Logger;
  /** Heads of conversations kept in memory a shard. */
  maxCachedHeads: number;
  /** Documents one step of a batch may need. */
  maxDocumentsPerStep: number;
}

/**
 * Applies what the log brings, shard by shard. Conversations of a batch go through the two steps together; what one of them
 * can't be helped with is put aside, and the others go on.
 */
export class ShardWorker implements ShardHandler {
  readonly #parts: ShardWorkerParts;
  readonly #held = new Map<number, HeldShard>();

  constructor(parts: ShardWorkerParts) {
    this.#parts = parts;
  }

  async assigned(shard: number, offsets: readonly GroupOffset[], signal: AbortSignal): Promise<void> {
    const { store, deadLetters, logger, maxCachedHeads } = this.#parts;
    const { conversations } = store;
    const state = new ShardState(shard, maxCachedHeads);
    state.begin(await conversations.claimShard(shard));
    const position = new ShardPosition(
      await conversations.shardPosition(shard),
      async (next) => {
        const { epoch } = state;
        if (await conversations.keepShardPosition(shard, epoch, next)) return;
        // Another has claimed it. If the shard is this worker's all the same, its next batch claims it anew.
        if (epoch === state.epoch) state.dirty = true;
        throw new CaasError('UNAVAILABLE', `shard ${shard} was claimed by another`);
      },
      (err) => logger.warn({ shard, err }, 'position of the shard not kept; a later one will be'),
    );
    await deadLetters.load();
    const held = { state, position };
    try {
      await this.#catchUp(held, offsets, signal);
    } catch (fault) {
      // What it did reach need not be done again.
      await position.settle();
      throw fault;
    }
    this.#held.set(shard, held);
    logger.info({ shard, epoch: state.epoch }, 'shard assigned');
  }

  async revoked(shard: number): Promise<void> {
    const held = this.#held.get(shard);
    this.#held.delete(shard);
    await held?.position.settle();
    this.#parts.logger.info({ shard }, 'shard revoked');
  }

  /**
   * Brings the store up to where the group stands. As a rule it is there, or a second behind after a crash; a store that was
   * lost, or restored from a backup, is rebuilt from the log (docs/adr/0014-positions-in-the-store.md).
   */
  async #catchUp(held: HeldShard, offsets: readonly GroupOffset[], signal: AbortSignal): Promise<void> {
    const { log, logger } = this.#parts;
    const { shard } = held.state;
    const missed = await findMissed(log, held.position.next, offsets);
    for (const stretch of missed.gone)
      logger.error({ shard, ...stretch }, 'records that the store has not had are not in the log any more');
    const [older] = missed.unknown;
    // New records have the numbers of old ones there, and would be taken for applied. The log keeps them meanwhile.
    if (older) {
      logger.error(
        { shard, ...older },
        'the store has had records that the log does not have: the log is an older one',
      );
      throw new CaasError('UNAVAILABLE', `the log is older than the store in ${older.topic}-${older.partition}`);
    }
    let records = 0;
    held.state.revGap = rebuildRevGap;
    for await (const run of missedRecords(log, missed.there, catchUpRecords)) {
      signal.throwIfAborted();
      await this.#apply(held, run, signal);
      records += run.length;
    }
    held.state.revGap = 0;
    for (const { topic, partition, next } of offsets) held.position.reach(topic, partition, next);
    if (records > 0) logger.info({ shard, records }, 'the store has caught up with its group');
  }

  async batch(shard: number, records: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    const held = this.#held.get(shard);
    if (!held) throw new CaasError('UNAVAILABLE', 'the shard is not assigned');
    const startedAtMs = performance.now();
    await this.#apply(held, records, signal);
    this.#parts.counters.lastBatchMs = performance.now() - startedAtMs;
    this.#parts.counters.lastBatchRecords = records.length;
  }

  async #apply({ state, position }: HeldShard, records: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    const events = await this.#sort(records);
    for (const slice of slicesOf(events, this.#parts.maxDocumentsPerStep)) {
      signal.throwIfAborted();
      this.#count(await this.#persist(state, groupsOf(slice), signal));
      this.#tellCommitted(state, slice);
    }
    state.trim();
    position.passed(records);
  }

  /** For who follows a trace; asked first, for most workers log nothing of each batch. */
  #tellCommitted({ shard }: ShardState, events: readonly DecodedEvent[]): void {
    const { logger } = this.#parts;
    if (!logger.isLevelEnabled('debug')) return;
    const traced = events.flatMap(({ record: { traceparent } }) => (traceparent === '' ? [] : traceIdOf(traceparent)));
    const trace_ids = [...new Set(traced)].slice(0, maxTracesTold);
    logger.debug({ shard, records: events.length, trace_ids }, 'batch committed');
  }

  /** The events to apply; what is unreadable or belongs to a parked conversation is put aside first, durably. */
  async #sort(records: readonly LogRecord[]): Promise<DecodedEvent[]> {
    const { deadLetters, counters, logger } = this.#parts;
    const events: DecodedEvent[] = [];
    for (const source of records) {
      const decoded = decode(source);
      if (decoded.kind === 'event') events.push(decoded);
      else if (decoded.kind === 'poison') {
        const { topic, partition, offset } = source;
        logger.error({ topic, partition, offset, reason: decoded.reason }, 'unreadable record put aside');
        await deadLetters.put([decoded]);
        counters.deadLettered += 1;
      }
    }
    if (deadLetters.parkedCount === 0) return events;
    const open: DecodedEvent[] = [];
    for (const group of groupsOf(events)) {
      if (!deadLetters.isParked(group.name)) continue;
      const { tenantId, conversationId } = group;
      if (group.sources.some((source) => source.headers[retriedHeader] !== undefined)) {
        await deadLetters.resume(tenantId, conversationId);
        logger.warn({ tenantId, conversationId }, 'parked conversation goes on');
      } else await this.#keepBack(group);
    }
    for (const event of events)
      if (!deadLetters.isParked(conversationName(event.tenantId, event.conversationId))) open.push(event);
    return open;
  }

  async #keepBack(group: Group): Promise<void> {
    await this.#parts.deadLetters.put(
      group.sources.map((source) => ({ source, kind: 'kept-back' as const, reason: 'its conversation is parked' })),
    );
    this.#parts.counters.deadLettered += group.sources.length;
  }

  async #persist(state: ShardState, groups: readonly Group[], signal: AbortSignal): Promise<Persistence> {
    try {
      return await this.#parked(await persistGroups(this.#parts, state, groups, signal));
    } catch (fault) {
      if (mayPass(fault, signal)) throw fault;
    }
    // One conversation's documents must not take the others along; which one it is, only trying each alone tells.
    const parts: Persistence[] = [];
    for (const group of groups) parts.push(await this.#persistAlone(state, group, signal));
    return joined(parts);
  }

  async #persistAlone(state: ShardState, group: Group, signal: AbortSignal): Promise<Persistence> {
    try {
      return await this.#parked(await persistGroups(this.#parts, state, [group], signal));
    } catch (fault) {
      if (mayPass(fault, signal)) throw fault;
      return this.#parked({ applied: 0, rejections: [], notices: [], faulty: [{ group, fault }] });
    }
  }

  /** Parks the conversations that could not be applied. */
  async #parked(persistence: Persistence): Promise<Persistence> {
    const { deadLetters, logger } = this.#parts;
    for (const { group, fault } of persistence.faulty) {
      const { tenantId, conversationId } = group;
      logger.error({ tenantId, conversationId, err: fault }, 'conversation parked: its events cannot be applied');
      await deadLetters.park(tenantId, conversationId, 'its events cannot be applied');
      await this.#keepBack(group);
    }
    return { ...persistence, faulty: [] };
  }

  #count({ applied, rejections, notices }: Persistence): void {
    const { counters, notices: queue } = this.#parts;
    counters.applied += applied;
    counters.rejected += rejections.length;
    queue.add({ notices, rejections });
  }
}

const joined = (parts: readonly Persistence[]): Persistence => ({
  applied: parts.reduce((sum, part) => sum + part.applied, 0),
  rejections: parts.flatMap((part) => part.rejections),
  notices: parts.flatMap((part) => part.notices),
  faulty: [],
});

const mayPass = (fault: unknown, signal: AbortSignal): boolean => signal.aborted || isPassing(fault);
