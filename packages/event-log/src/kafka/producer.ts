import { CaasError, toCaasError } from '@caas/kit';
import type { LogPosition, NewRecord } from '../port.ts';
import { encodedBytesAtMost, metaOf } from '../record-codec.ts';
import { Code, check, KafkaFault, NotSent } from './codes.ts';
import { type Call, type Entry, Lane, type ProducerIdentity, type Unit } from './lane.ts';
import type { KafkaLayout, KafkaTopic } from './layout.ts';
import type { KafkaLink } from './link.ts';
import { produceArgs, refusal, type Sent, unknownFate, type Verdict, verdictOf } from './produce-request.ts';
import type { Answers } from './protocol.ts';

/** Bytes of one partition in a request; with one record it may be more. Topics take twice as much. */
const maxUnitBytes = 1024 * 1024;
/** Bytes of a request. */
const maxRequestBytes = 4 * 1024 * 1024;
/** How often calls past their time are looked for, in milliseconds. */
const sweepMs = 100;
/**
 * Greatest age of what is known of the topics when records are sent, in milliseconds. A topic that was grown meanwhile is
 * noticed within it; `npm run topics -- --grow` waits longer.
 */
export const maxLayoutAgeMs = 5_000;

/** A partition that an answer leaves out. */
const unanswered = { errorCode: Code.unknown, baseOffset: '-1' };

export interface ProducerDeps {
  link: KafkaLink;
  layout: KafkaLayout;
  maxPendingBytes: number;
  /** Longest an append waits for its answer. */
  appendTimeoutMs: number;
  report(fault: unknown, doing: string): void;
}

/**
 * Appends with Kafka's idempotence done right: a partition has one batch on its way, with its own place in the sequence,
 * and nothing follows before its fate is known; a broker has one request. What a turn appends and what comes while a
 * request is on its way goes out as the next one.
 */
export class Producer {
  readonly #deps: ProducerDeps;
  readonly #lanes = new Map<KafkaTopic, Lane[]>();
  /** Lanes with something to send. */
  readonly #active = new Set<Lane>();
  readonly #busyNodes = new Set<number>();
  readonly #calls = new Set<Call>();
  readonly #sweeping: NodeJS.Timeout;
  #pendingBytes = 0;
  #identity: Promise<ProducerIdentity> | undefined;
  #turn: NodeJS.Immediate | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  #whenIdle: (() => void)[] = [];

  constructor(deps: ProducerDeps) {
    this.#deps = deps;
    for (const topic of deps.layout.all)
      this.#lanes.set(
        topic,
        Array.from({ length: topic.partitions }, (_, partition) => new Lane(topic, partition)),
      );
    this.#sweeping = setInterval(() => this.#sweep(), sweepMs);
  }

  append(records: readonly NewRecord[]): Promise<LogPosition[]> {
    try {
      if (this.#closed) throw new CaasError('DRAINING', 'the log is closing');
      if (records.length === 0) return Promise.resolve([]);
      return this.#accept(records);
    } catch (thrown) {
      return Promise.reject(toCaasError(thrown));
    }
  }

  /** Refuses further appends; resolves when those made have an answer. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#calls.size > 0)
      await new Promise<void>((resolve) => {
        this.#whenIdle.push(resolve);
      });
    clearInterval(this.#sweeping);
    clearTimeout(this.#retry);
  }

  #accept(records: readonly NewRecord[]): Promise<LogPosition[]> {
    const { layout, maxPendingBytes, appendTimeoutMs } = this.#deps;
    const parts = records.map((record) => {
      const topic = layout.of(record.topic);
      const lane = this.#lanes.get(topic)?.[layout.partitionOfKey(topic, record.key)] as Lane;
      return { record, lane, bytes: encodedBytesAtMost(metaOf(record), record.value) };
    });
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    if (this.#pendingBytes + bytes > maxPendingBytes) {
      const details = { limit: 'maxPendingBytes', value: String(maxPendingBytes) };
      throw new CaasError('OVERLOADED', 'too much waits for the log', { details });
    }
    this.#pendingBytes += bytes;
    return new Promise((resolve, reject) => {
      const deadlineMs = performance.now() + appendTimeoutMs;
      const answered = <T>(answer: (value: T) => void) => {
        return (value: T): void => {
          this.#answered(call);
          answer(value);
        };
      };
      const call: Call = {
        bytes,
        deadlineMs,
        missing: parts.length,
        exposed: false,
        answered: false,
        positions: [],
        resolve: answered(resolve),
        reject: answered(reject),
      };
      this.#calls.add(call);
      for (const [index, { record, lane, bytes: size }] of parts.entries()) {
        lane.push({ record, bytes: size, call, index } satisfies Entry);
        this.#active.add(lane);
      }
      this.#schedule();
    });
  }

  #answered(call: Call): void {
    this.#pendingBytes -= call.bytes;
    this.#calls.delete(call);
    if (this.#calls.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** After the turn's I/O callbacks, so that whatever they append goes along. */
  #schedule(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#pump();
    });
  }

  /** Sends what can be sent: a request to each broker that has none. */
  #pump(): void {
    if (this.#closed && this.#calls.size === 0) return;
    const now = performance.now();
    const byNode = new Map<number, Lane[]>();
    let retryAtMs = Number.POSITIVE_INFINITY;
    for (const lane of this.#active) {
      if (lane.sending) continue;
      if (lane.empty) {
        this.#active.delete(lane);
        continue;
      }
      const node = lane.retryAtMs > now ? undefined : this.#nodeOf(lane);
      if (node === undefined) retryAtMs = Math.min(retryAtMs, Math.max(lane.retryAtMs, now + sweepMs));
      else byNode.set(node, [...(byNode.get(node) ?? []), lane]);
    }
    for (const [node, lanes] of byNode) if (!this.#busyNodes.has(node)) void this.#send(node, lanes);
    if (retryAtMs < Number.POSITIVE_INFINITY) this.#retryAt(retryAtMs - now);
  }

  /** A topic whose partitions are not those we spread keys over takes nothing from us: order would break. */
  #nodeOf({ topic, partition }: Lane): number | undefined {
    const { link } = this.#deps;
    return link.partitions(topic.physical) === topic.partitions ? link.leader(topic.physical, partition) : undefined;
  }

  #retryAt(inMs: number): void {
    this.#retry ??= setTimeout(async () => {
      await this.#refresh();
      this.#retry = undefined;
      this.#pump();
    }, inMs);
  }

  async #refresh(): Promise<void> {
    const { link, layout, report } = this.#deps;
    try {
      await link.refresh();
      for (const { physical, partitions } of layout.all) {
        const found = link.partitions(physical);
        if (found !== partitions)
          report(
            new Error(`${physical} has ${found} partitions, not ${partitions}: nothing is appended to it`),
            'layout',
          );
      }
    } catch (thrown) {
      report(thrown, 'metadata');
    }
  }

  async #send(node: number, lanes: readonly Lane[]): Promise<void> {
    this.#busyNodes.add(node);
    const sent: Sent[] = [];
    try {
      if (this.#deps.link.ageMs > maxLayoutAgeMs) await this.#refresh();
      if (this.#deps.link.ageMs > maxLayoutAgeMs) throw new NotSent('what is known of the topics is too old');
      const identity = await this.#ownIdentity();
      this.#cut(node, lanes, identity, sent);
      if (sent.length > 0) this.#judge(sent, await this.#deps.link.call(node, 'Produce', produceArgs(sent)));
    } catch (thrown) {
      this.#deps.report(thrown, 'append');
      if (sent.length === 0) for (const lane of lanes) lane.backOff();
      for (const { lane, unit } of sent)
        if (thrown instanceof NotSent) lane.notWritten(unit);
        else lane.doubtful(unit);
      await this.#refresh();
    } finally {
      for (const { lane } of sent) lane.sending = false;
      this.#busyNodes.delete(node);
      this.#schedule();
    }
  }

  #cut(node: number, lanes: readonly Lane[], identity: ProducerIdentity, into: Sent[]): void {
    let bytes = 0;
    // A batch in doubt is sent as who sent it first; a request speaks for one producer.
    const speaker = lanes.find((lane) => lane.unit)?.unit?.identity ?? identity;
    for (const lane of lanes) {
      // While this request was prepared the lane's leader may have moved, and moved back, and another request may have it.
      if (bytes >= maxRequestBytes || lane.sending || this.#nodeOf(lane) !== node) continue;
      if (lane.unit === undefined && speaker !== identity) continue;
      const unit = lane.cut(identity, maxUnitBytes);
      if (unit === undefined || unit.identity !== speaker) continue;
      bytes += unit.bytes;
      lane.sending = true;
      into.push({ lane, unit });
    }
    // So that the last lanes of a full request come first in the next.
    for (const { lane } of into) {
      this.#active.delete(lane);
      this.#active.add(lane);
    }
  }

  #judge(sent: readonly Sent[], { topics }: Answers['Produce']): void {
    const answers = new Map(
      topics.flatMap(({ topicName, partitions }) => partitions.map((p) => [`${topicName} ${p.partition}`, p] as const)),
    );
    let stale = false;
    for (const { lane, unit } of sent) {
      const { errorCode, baseOffset } = answers.get(`${lane.topic.physical} ${lane.partition}`) ?? unanswered;
      const verdict = verdictOf(errorCode);
      if (verdict === 'written') {
        lane.written(unit, Number(baseOffset));
        continue;
      }
      stale = true;
      const fault = new KafkaFault(errorCode, `append to ${lane.topic.physical} ${lane.partition}`);
      this.#deps.report(fault, 'append');
      if (verdict === 'in doubt') lane.doubtful(unit);
      else if (verdict === 'not written') lane.notWritten(unit);
      else this.#startAnew(lane, unit, verdict, fault);
    }
    if (stale) void this.#refresh();
  }

  /** Where the sequence stands is known no more. */
  #startAnew(lane: Lane, unit: Unit, verdict: Verdict, fault: KafkaFault): void {
    this.#identity = undefined;
    if (unit.uncertain) lane.abandon(unit, () => unknownFate(fault));
    else if (verdict === 'sequence lost') lane.notWritten(unit);
    else lane.abandon(unit, (call) => (call.exposed ? unknownFate(fault) : refusal(fault)));
  }

  #ownIdentity(): Promise<ProducerIdentity> {
    if (this.#identity !== undefined) return this.#identity;
    const identity = this.#deps.link
      .call(undefined, 'InitProducerId', { transactionalId: null, transactionTimeout: 60_000 })
      .then(({ errorCode, producerId, producerEpoch }) => {
        check(errorCode, 'InitProducerId');
        return { id: producerId, epoch: producerEpoch };
      });
    this.#identity = identity;
    identity.catch(() => {
      if (this.#identity === identity) this.#identity = undefined;
    });
    return identity;
  }

  /** Answers the calls whose time is up; what is on its way is settled all the same, before anything follows it. */
  #sweep(): void {
    const now = performance.now();
    for (const call of this.#calls) {
      if (call.deadlineMs > now) break;
      const open = call.exposed || this.#onItsWay(call);
      call.answered = true;
      call.reject(open ? unknownFate(undefined) : new CaasError('UNAVAILABLE', 'the log could not be written in time'));
    }
  }

  #onItsWay(call: Call): boolean {
    for (const lane of this.#active)
      if (lane.sending && lane.unit?.entries.some((entry) => entry.call === call)) return true;
    return false;
  }
}
