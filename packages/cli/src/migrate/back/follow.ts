import { setTimeout as sleep } from 'node:timers/promises';
import { type EventLog, type LogRecord, Topic, tenantHeader } from '@caas/event-log';
import { fail } from '@caas/kit';
import { created } from '@caas/message-store';
import { MessageDelivered } from '@caas/proto/caas/events/v1/message_events';
import { UserAction } from '@caas/proto/caas/events/v1/user_action';
import { type Followed, followedOf, overtaken, type TenantRow } from '../ledger.ts';
import { committedEnds, logEnds, type Partition } from './log-ends.ts';
import { type Hiding, type WriteBackParts, writeBack } from './write-back.ts';

/** Records read of a partition at a time. */
const recordsPerRead = 1_000;
/** Conversations written back side by side. */
const conversationsAtOnce = 8;
/** How often the workers are asked how far they are, in milliseconds. */
const lookMs = 200;
/** How long the workers may commit nothing of what the log holds before waiting for them ends, in milliseconds. */
export const maxStallMs = 30_000;

export interface FollowParts extends WriteBackParts {
  log: EventLog;
  partitions: readonly Partition[];
  /** Messages were written to the old side. */
  onWritten(messages: number): void;
}

/** What the log says of one conversation. */
interface Touched {
  hidings: Hiding[];
  /** By partition, the last offset. */
  last: Record<string, number>;
}

/**
 * Feeds the old side from the log: a conversation of the tenant in which something happened is written back once the workers
 * have committed it. Where it is stands in the ledger; it may end anywhere and go on at any time.
 */
export class Follower {
  readonly #parts: FollowParts;
  readonly #followed: { next: Record<string, number>; keptBack: Set<string> };
  /** When something of the tenant was met last, by the clock of performance.now(). */
  #metMs = performance.now();

  constructor(parts: FollowParts, tenant: TenantRow) {
    this.#parts = parts;
    this.#followed = followedOf(tenant);
  }

  /** How long nothing of the tenant was met, in milliseconds. */
  get quietMs(): number {
    return performance.now() - this.#metMs;
  }

  /** Conversations with accepted records that the workers have put aside. */
  get keptBack(): ReadonlySet<string> {
    return this.#followed.keptBack;
  }

  /** Follows until the signal aborts, or `until` says so between two looks. */
  async run(signal: AbortSignal, until: () => Promise<boolean>): Promise<void> {
    const { ledger, pair, run } = this.#parts;
    for (;;) {
      while (!signal.aborted && (await this.#step())) {
        // There may be more.
      }
      if (signal.aborted || (await until())) return;
      if ((await ledger.tenant(pair.tenantId))?.run !== run) overtaken(pair.tenantId);
      await sleep(lookMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /**
   * Resolves when the old side has all of the tenant that the log held at the time of the call. Throws UNAVAILABLE when the
   * workers don't commit it.
   */
  async catchUp(signal: AbortSignal): Promise<void> {
    const { store } = this.#parts;
    const needed = await this.#needed();
    const missing = (have: Readonly<Record<string, number>>): number =>
      Object.entries(needed).reduce((sum, [name, end]) => sum + Math.max(0, end - (have[name] ?? 0)), 0);
    let [least, sinceMs] = [Number.POSITIVE_INFINITY, performance.now()];
    await this.run(signal, async () => {
      const { next } = this.#followed;
      if (missing(next) === 0) return true;
      const uncommitted = missing(await committedEnds(store));
      if (uncommitted < least) [least, sinceMs] = [uncommitted, performance.now()];
      if (performance.now() - sinceMs > maxStallMs)
        fail(
          'UNAVAILABLE',
          `the persistence workers have not committed the last ${uncommitted} records of the log: are they running? (An embedded platform commits them when it is started and stopped.)`,
        );
      return false;
    });
    signal.throwIfAborted();
  }

  /** By partition, up to where the old side has to come: past the last record that has an effect on the tenant. */
  async #needed(): Promise<Record<string, number>> {
    const { log, partitions, pair } = this.#parts;
    const ends = await logEnds(log, partitions);
    const needed: Record<string, number> = {};
    for (const { topic, partition, name } of partitions)
      for (let from = this.#followed.next[name] ?? 0; from < (ends[name] ?? 0); ) {
        const records = await log.read(topic, partition, from, recordsPerRead);
        const last = records.findLast((record) => isOf(pair.tenantId, topic, record));
        if (last) needed[name] = last.offset + 1;
        from = (records.at(-1)?.offset ?? Number.POSITIVE_INFINITY) + 1;
      }
    return needed;
  }

  /** Takes some of what was committed since the last step; true: there was something. */
  async #step(): Promise<boolean> {
    const { store, ledger, pair, run } = this.#parts;
    const committed = await committedEnds(store);
    const next = { ...this.#followed.next };
    const touched = new Map<string, Touched>();
    for (const partition of this.#parts.partitions) {
      const to = committed[partition.name] ?? 0;
      const from = next[partition.name] ?? 0;
      if (from >= to) continue;
      const records = await this.#read(partition, from, to);
      for (const record of records) note(touched, pair.tenantId, partition, record);
      next[partition.name] = records.length === 0 ? to : (records.at(-1) as LogRecord).offset + 1;
    }
    if (JSON.stringify(next) === JSON.stringify(this.#followed.next)) return false;
    if (touched.size > 0) this.#metMs = performance.now();
    await this.#writeBack(touched);
    this.#followed.next = next;
    await ledger.keepFollowed(pair.tenantId, run, this.#followed satisfies Followed);
    return true;
  }

  async #read({ topic, partition, name }: Partition, from: number, to: number): Promise<LogRecord[]> {
    const { log } = this.#parts;
    const { first } = await log.bounds(topic, partition);
    if (first > from && this.#followed.next[name] !== undefined)
      fail(
        'FAILED_PRECONDITION',
        `the log has let go of records ${from} to ${first} of ${name} that the old side has not had`,
      );
    return (await log.read(topic, partition, from, recordsPerRead)).filter(({ offset }) => offset < to);
  }

  async #writeBack(touched: ReadonlyMap<string, Touched>): Promise<void> {
    const { store, pair, onWritten } = this.#parts;
    const { keptBack } = this.#followed;
    const waiting = [...touched];
    const worker = async (): Promise<void> => {
      for (let next = waiting.pop(); next; next = waiting.pop()) {
        const [conversationId, { hidings, last }] = next;
        onWritten(await writeBack(this.#parts, conversationId, hidings));
        const [head] = await store.conversations.getMany([{ tenantId: pair.tenantId, conversationId }]);
        // The workers have passed the record and the head has not: it is with the dead letters.
        const passed = Object.entries(last).every(([name, offset]) => offset <= (head?.offsets[name] ?? -1));
        if (created(head) && !passed) keptBack.add(conversationId);
        else keptBack.delete(conversationId);
      }
    };
    await Promise.all(Array.from({ length: conversationsAtOnce }, worker));
  }
}

const note = (touched: Map<string, Touched>, tenantId: string, { topic, name }: Partition, record: LogRecord): void => {
  if (!isOf(tenantId, topic, record)) return;
  const entry = touched.get(record.key) ?? { hidings: [], last: {} };
  touched.set(record.key, entry);
  entry.last[name] = record.offset;
  const hiding = topic === Topic.userAction ? hidingIn(record) : undefined;
  if (hiding) entry.hidings.push(hiding);
};

/** Whether it has an effect on the tenant: the workers' own notices have none. */
const isOf = (tenantId: string, topic: string, record: LogRecord): boolean =>
  record.headers[tenantHeader] === tenantId && !(topic === Topic.messageDelivered && isNotice(record));

const isNotice = ({ value }: LogRecord): boolean => MessageDelivered.decode(value).notice?.$case === 'persisted';

const hidingIn = ({ value }: LogRecord): Hiding | undefined => {
  const { act, userId } = UserAction.decode(value);
  return act?.$case === 'messageHidden' ? { messageId: act.value.messageId, userId } : undefined;
};
