import type { LogPosition, NewRecord } from '../port.ts';
import { type KafkaTopic, logicalOffset } from './layout.ts';

/** What a broker knows a producer by. */
export interface ProducerIdentity {
  id: string;
  epoch: number;
}

/** One `append`: answered once, when all its records are written or its time is up. */
export interface Call {
  bytes: number;
  deadlineMs: number;
  /** Records not written yet. */
  missing: number;
  /** A record of it is written, or may be. */
  exposed: boolean;
  answered: boolean;
  positions: LogPosition[];
  resolve(positions: LogPosition[]): void;
  reject(error: Error): void;
}

export interface Entry {
  record: NewRecord;
  bytes: number;
  call: Call;
  /** Place of the record in its call. */
  index: number;
}

/** A batch with its place in the producer's sequence. Sent again it is the same, so the broker writes it once. */
export interface Unit {
  identity: ProducerIdentity;
  firstSequence: number;
  entries: Entry[];
  bytes: number;
  /** Some attempt ended without an answer: it may be in the log. */
  uncertain: boolean;
}

/** Sequences are 31 bits wide and start over. */
const sequences = 2 ** 31;
const waitMs = { first: 50, last: 1_000 } as const;

/** One partition of the producer: what waits for it, in order, and the one batch whose fate is open. */
export class Lane {
  readonly topic: KafkaTopic;
  readonly partition: number;
  unit: Unit | undefined;
  /** Its unit is with a broker now. */
  sending = false;
  /** When it may be tried again after a failure, on the monotonic clock. */
  retryAtMs = 0;
  #waiting: Entry[] = [];
  #identity: ProducerIdentity | undefined;
  #sequence = 0;
  #waitMs: number = waitMs.first;

  constructor(topic: KafkaTopic, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get empty(): boolean {
    return this.unit === undefined && this.#waiting.length === 0;
  }

  push(entry: Entry): void {
    this.#waiting.push(entry);
  }

  /** The unit to send: the open one, or the next of at most `maxBytes` (one record at least). */
  cut(identity: ProducerIdentity, maxBytes: number): Unit | undefined {
    if (this.unit) return this.unit;
    if (this.#identity !== identity) {
      this.#identity = identity;
      this.#sequence = 0;
    }
    const live = this.#waiting.filter(({ call }) => !call.answered);
    let bytes = 0;
    let count = 0;
    while (count < live.length && (count === 0 || bytes + (live[count] as Entry).bytes <= maxBytes))
      bytes += (live[count++] as Entry).bytes;
    this.#waiting = live.slice(count);
    if (count === 0) return undefined;
    const entries = count === live.length ? live : live.slice(0, count);
    this.unit = { identity, firstSequence: this.#sequence, entries, bytes, uncertain: false };
    return this.unit;
  }

  /** The unit is in the log from `baseOffset` on. */
  written(unit: Unit, baseOffset: number): void {
    this.unit = undefined;
    this.#sequence = (unit.firstSequence + unit.entries.length) % sequences;
    this.#waitMs = waitMs.first;
    const { partition, topic } = this;
    for (const [i, { call, index }] of unit.entries.entries()) {
      call.exposed = true;
      call.positions[index] = { partition, offset: logicalOffset(baseOffset + i, topic.generation) };
      call.missing -= 1;
      if (call.missing > 0 || call.answered) continue;
      call.answered = true;
      call.resolve(call.positions);
    }
  }

  /** It is not known whether the unit is in the log: it must be settled, by the same unit, before anything follows. */
  doubtful(unit: Unit): void {
    unit.uncertain = true;
    for (const { call } of unit.entries) call.exposed = true;
    this.backOff();
  }

  /** The attempt wrote nothing. What was never in doubt waits again, in its place, and may still be given up. */
  notWritten(unit: Unit): void {
    if (!unit.uncertain) {
      this.unit = undefined;
      this.#waiting = [...unit.entries, ...this.#waiting];
    }
    this.backOff();
  }

  /** Gives the unit up: the broker will not have it, or can no longer say what became of it. */
  abandon(unit: Unit, errorFor: (call: Call) => Error): void {
    this.unit = undefined;
    for (const { call } of unit.entries) {
      if (call.answered) continue;
      call.answered = true;
      call.reject(errorFor(call));
    }
  }

  backOff(): void {
    this.retryAtMs = performance.now() + this.#waitMs;
    this.#waitMs = Math.min(this.#waitMs * 2, waitMs.last);
  }
}
