import { setImmediate as nextTurn } from 'node:timers/promises';
import type { GroupOptions, ShardHandler, Subscription } from '../port.ts';
import { Bell } from '../wait.ts';
import { Code, KafkaFault } from './codes.ts';
import { Commits } from './commits.ts';
import type { KafkaConnection } from './connection.ts';
import { Fetcher } from './fetcher.ts';
import { type Assignment, committedOffsets, Expelled, GroupMember } from './group-member.ts';
import { type HeldShard, HeldShards } from './held-shards.ts';
import type { KafkaTopic } from './layout.ts';
import { KafkaLink } from './link.ts';
import { knownEnds, listOffsets, nameOf, type TopicPartition } from './offsets.ts';
import type { PartitionBuffer } from './partition-buffer.ts';
import { startBuffers } from './start-buffers.ts';

/** Longest time a finished batch is not yet committed, in milliseconds. */
const commitDelayMs = 50;
/** Wait after a failed call to the coordinator, in milliseconds. */
const retryMs = 200;

export interface ConsumerTimes {
  /** How long a shard waits for its handler when it is taken away. */
  closeGraceMs: number;
  /** A member that was not heard of for so long has lost its shards. */
  sessionTimeoutMs: number;
  heartbeatMs: number;
  /** Longest the members wait for one another when the shards are spread anew. */
  rebalanceTimeoutMs: number;
  /** Lag without progress for so long is a stall: it is told, and the consumer begins anew. */
  stallMs: number;
}

export interface ConsumerDeps {
  connection: KafkaConnection;
  /** For what must not wait behind a fetch or a join. */
  reads: KafkaLink;
  /** Name of the group in the cluster. */
  groupId: string;
  topics: readonly KafkaTopic[];
  options: GroupOptions;
  handler: ShardHandler;
  times: ConsumerTimes;
  report(fault: unknown, doing: string, shard?: number): void;
}

/** What a consumer begins anew with. */
interface Seat {
  member: GroupMember;
  links: readonly KafkaLink[];
  fetcher: Fetcher;
  /** Takes part in the group's present generation. */
  joined: boolean;
  left: boolean;
}

/**
 * A member of a consumer group. Before shards are spread anew it ends its batches in hand and commits them, so that a shard
 * moves clean; who does not answer in time loses what it has in hand. It keeps the shards that it gets again.
 */
export class KafkaConsumer implements Subscription {
  readonly #deps: ConsumerDeps;
  readonly #held: HeldShards;
  readonly #partitions: readonly TopicPartition[];
  /** Ends of the partitions when it subscribed, for a group that starts at the latest. */
  #ends: ReadonlyMap<string, number> | undefined;
  #seat: Seat;
  readonly #bell = new Bell();
  readonly #commits = new Commits<Seat>((thrown, seat) => this.#notCommitted(thrown, seat));
  #commitTimer: NodeJS.Timeout | undefined;
  readonly #watching: NodeJS.Timeout;
  #notJoinedSinceMs = performance.now();
  #stalled = false;
  #closing: Promise<void> | undefined;
  readonly #living: Promise<void>;

  constructor(deps: ConsumerDeps) {
    const { topics, options, times } = deps;
    this.#deps = deps;
    this.#held = new HeldShards({
      options,
      handler: deps.handler,
      closeGraceMs: times.closeGraceMs,
      finished: () => this.#finished(),
      report: deps.report,
    });
    this.#partitions = topics.flatMap(({ physical, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: physical, partition })),
    );
    this.#seat = this.#open();
    this.#watching = setInterval(() => void this.#watch(), Math.min(times.stallMs / 4, 5_000));
    this.#living = this.#live();
  }

  stalled(): boolean {
    return this.#stalled;
  }

  async lag(): Promise<number> {
    const { reads, groupId, options } = this.#deps;
    const committed = await committedOffsets(reads, groupId, this.#partitions);
    const ends = await listOffsets(reads, this.#partitions, 'next');
    const starts =
      options.from === 'latest' ? (this.#ends ?? ends) : await listOffsets(reads, this.#partitions, 'first');
    return this.#partitions.map(nameOf).reduce((sum, name) => {
      const end = ends.get(name) as number;
      return sum + Math.max(0, end - (committed.get(name) ?? starts.get(name) ?? end));
    }, 0);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#watching);
    this.#bell.ring();
    const { buffers, shards } = this.#held;
    await this.#held.stop(shards, 'drain');
    if (this.#seat.joined) await this.#commit(this.#seat, buffers);
    await this.#leave(this.#seat);
    await this.#living;
  }

  async #live(): Promise<void> {
    while (this.#closing === undefined) {
      const seat = this.#seat;
      await this.#attend(seat);
      if (this.#closing !== undefined) return;
      if (seat.joined) await this.#commit(seat);
      await this.#held.stop(this.#held.shards, 'revoke');
      await this.#leave(seat);
      this.#seat = this.#open();
    }
  }

  #open(): Seat {
    const { connection, groupId, topics, options, times, report } = this.#deps;
    const names = topics.map(({ physical }) => physical);
    const [talk, fetch] = [new KafkaLink(connection, names), new KafkaLink(connection, names)];
    const { shards } = options;
    const member = new GroupMember({ link: talk, groupId, topics, shards, ...times });
    return { member, links: [talk, fetch], fetcher: new Fetcher(fetch, report), joined: false, left: false };
  }

  async #leave(seat: Seat): Promise<void> {
    seat.left = true;
    clearTimeout(this.#commitTimer);
    this.#commitTimer = undefined;
    const { reads, times, report } = this.#deps;
    await seat.member.leave(reads, times.closeGraceMs).catch((thrown: unknown) => report(thrown, 'leave'));
    const stopped = seat.fetcher.stop();
    for (const link of seat.links) link.close();
    await stopped;
    this.#bell.ring();
  }

  /** Joins, and lives in the group until it is to end. */
  async #attend(seat: Seat): Promise<void> {
    const { member } = seat;
    const { heartbeatMs, sessionTimeoutMs } = this.#deps.times;
    while (this.#closing === undefined && !seat.left) {
      try {
        if (!seat.joined) await this.#join(seat);
        await this.#bell.heard(heartbeatMs);
        if (this.#closing !== undefined || seat.left) return;
        if (!(await member.heartbeat())) await this.#unjoin(seat);
      } catch (thrown) {
        if (this.#closing !== undefined || seat.left) return;
        if (!isRebalance(thrown)) this.#deps.report(thrown, 'group');
        const lost = thrown instanceof Expelled || performance.now() - member.seenAtMs > sessionTimeoutMs;
        if (lost) await this.#expelled(seat);
        await this.#bell.heard(retryMs);
      }
    }
  }

  /** The shards are to be spread anew: what is in hand ends and is committed before. */
  async #unjoin(seat: Seat): Promise<void> {
    await this.#held.pause();
    await nextTurn();
    await this.#commit(seat);
    this.#leftGeneration(seat);
  }

  async #expelled(seat: Seat): Promise<void> {
    this.#leftGeneration(seat);
    await this.#held.stop(this.#held.shards, 'revoke');
  }

  #leftGeneration(seat: Seat): void {
    if (seat.joined) this.#notJoinedSinceMs = performance.now();
    seat.joined = false;
  }

  async #join(seat: Seat): Promise<void> {
    const { reads, options } = this.#deps;
    if (options.from === 'latest') this.#ends ??= await listOffsets(reads, this.#partitions, 'next');
    const assignment = await seat.member.join(this.#held.shards);
    if (this.#closing !== undefined || seat.left) return;
    await this.#adopt(seat, assignment);
    seat.joined = true;
    this.#held.resume();
    this.#schedule();
  }

  async #adopt(seat: Seat, { shards, continuous }: Assignment): Promise<void> {
    const held = this.#held.shards;
    const kept = continuous ? held.filter((shard) => shards.includes(shard)) : [];
    await this.#held.stop(
      held.filter((shard) => !kept.includes(shard)),
      'revoke',
    );
    const fresh = shards.filter((shard) => !kept.includes(shard));
    const buffers = await this.#buffersOf(seat, fresh);
    if (this.#closing !== undefined || seat.left) return;
    for (const shard of fresh)
      this.#held.start(
        shard,
        buffers.filter(({ partition }) => partition % this.#deps.options.shards === shard),
      );
    seat.fetcher.read(this.#held.buffers.map(({ source }) => source));
  }

  #buffersOf({ member }: Seat, shards: readonly number[]): Promise<PartitionBuffer[]> {
    const { topics, options, reads } = this.#deps;
    const partitions = this.#partitions.filter(({ partition }) => shards.includes(partition % options.shards));
    return startBuffers({ member, reads, topics, partitions, ends: this.#ends });
  }

  #finished(): void {
    this.#stalled = false;
    this.#seat.fetcher.wake();
    this.#schedule();
  }

  #schedule(delayMs = commitDelayMs): void {
    this.#commitTimer ??= setTimeout(() => {
      this.#commitTimer = undefined;
      if (this.#seat.joined) void this.#commit(this.#seat);
    }, delayMs);
  }

  #commit(seat: Seat, buffers: readonly PartitionBuffer[] = this.#held.buffers): Promise<void> {
    return this.#commits.commit(seat, buffers);
  }

  #notCommitted(thrown: unknown, seat: Seat): void {
    if (!isRebalance(thrown)) this.#deps.report(thrown, 'commit');
    // The heartbeat learns of an expulsion by itself; sooner is better.
    if (thrown instanceof Expelled) this.#bell.ring();
    if (!seat.left) this.#schedule(retryMs);
  }

  async #watch(): Promise<void> {
    const { reads, times, report } = this.#deps;
    const seat = this.#seat;
    const nowMs = performance.now();
    const sources = this.#held.buffers.map(({ source }) => source);
    const ends = await knownEnds(reads, sources).catch(() => undefined);
    if (this.#closing !== undefined || seat.left) return;
    const done = ({ buffers }: HeldShard) => ends && buffers.every((b) => (ends.get(nameOf(b.source)) ?? 0) <= b.done);
    for (const shard of this.#held.all) if (shard.run.takingOver || done(shard)) shard.progressAtMs = nowMs;
    const since = seat.joined
      ? Math.min(nowMs, ...this.#held.all.map(({ progressAtMs }) => progressAtMs))
      : this.#notJoinedSinceMs;
    if (nowMs - since < times.stallMs) {
      if (since === nowMs) this.#stalled = false;
      return;
    }
    this.#stalled = true;
    this.#notJoinedSinceMs = nowMs;
    report(new Error(`records wait and none was done for ${times.stallMs} ms; the consumer begins anew`), 'stalled');
    seat.left = true;
    this.#bell.ring();
  }
}

const isRebalance = (thrown: unknown): boolean =>
  thrown instanceof KafkaFault && thrown.code === Code.rebalanceInProgress;
