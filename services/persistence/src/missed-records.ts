import { type EventLog, type GroupOffset, type LogRecord, partitionName, Topic } from '@caas/event-log';

/** Records of one partition: `from` ≤ offset < `to`. */
export interface Stretch {
  topic: string;
  partition: number;
  from: number;
  to: number;
}

export interface Missed {
  /** What the group has committed and the store has not seen. */
  there: Stretch[];
  /** The same, but the log has it no more. */
  gone: Stretch[];
  /** What the store has seen and the log does not have. */
  unknown: Stretch[];
}

/** Compares where a store stands, by "topic-partition" the next offset, with where the group does. */
export const findMissed = async (
  log: EventLog,
  position: Readonly<Record<string, number>>,
  offsets: readonly GroupOffset[],
): Promise<Missed> => {
  const missed: Missed = { there: [], gone: [], unknown: [] };
  for (const { topic, partition, next: to } of offsets) {
    const from = position[partitionName(topic, partition)] ?? 0;
    if (from === to) continue;
    const { first, next } = await log.bounds(topic, partition);
    if (from > next) missed.unknown.push({ topic, partition, from: next, to: from });
    if (from < Math.min(first, to)) missed.gone.push({ topic, partition, from, to: Math.min(first, to) });
    if (Math.max(from, first) < to) missed.there.push({ topic, partition, from: Math.max(from, first), to });
  }
  return missed;
};

/** A stretch while it is read. */
interface Reading extends Stretch {
  /** Read and not yet given out; `from` is what to read next. */
  page: LogRecord[];
}

/** Ties are rare, and then what others build on goes first. */
const rankOf = ({ topic }: LogRecord): number =>
  topic === Topic.conversationUpdated ? 0 : topic === Topic.messageSent ? 1 : 2;

const isBefore = (a: LogRecord, b: LogRecord): boolean =>
  a.appendedAtMs < b.appendedAtMs || (a.appendedAtMs === b.appendedAtMs && rankOf(a) < rankOf(b));

/**
 * The records of some stretches in runs of at most `limit`: in order within each partition, and over the partitions in the
 * order they were appended in. That order matters here and not in the group's own batches, because who edits a message or
 * sends to a conversation had seen it committed; a store that lost both gets them in one go.
 */
export async function* missedRecords(
  log: EventLog,
  stretches: readonly Stretch[],
  limit: number,
): AsyncGenerator<LogRecord[]> {
  const readings = stretches.map((stretch): Reading => ({ ...stretch, page: [] }));
  for (;;) {
    for (const reading of readings) if (reading.page.length === 0) await refill(log, reading, limit);
    const run = takeRun(readings, limit);
    if (run.length === 0) return;
    yield run;
  }
}

const refill = async (log: EventLog, reading: Reading, limit: number): Promise<void> => {
  const { topic, partition, from, to } = reading;
  if (from >= to) return;
  const records = await log.read(topic, partition, from, limit);
  reading.page = records.filter((record) => record.offset < to);
  // Where nothing is read there is nothing more.
  reading.from = records.length === 0 ? to : (records.at(-1) as LogRecord).offset + 1;
};

/** The oldest records of all pages, until there are enough or a page is empty whose partition may have older ones. */
const takeRun = (readings: readonly Reading[], limit: number): LogRecord[] => {
  const run: LogRecord[] = [];
  const taken = new Map(readings.map((reading) => [reading, 0]));
  const headOf = (reading: Reading): LogRecord | undefined => reading.page[taken.get(reading) as number];
  while (run.length < limit) {
    let oldest: Reading | undefined;
    for (const reading of readings) {
      const head = headOf(reading);
      if (head && (!oldest || isBefore(head, headOf(oldest) as LogRecord))) oldest = reading;
    }
    if (!oldest) break;
    run.push(headOf(oldest) as LogRecord);
    taken.set(oldest, (taken.get(oldest) as number) + 1);
    if (headOf(oldest) === undefined && oldest.from < oldest.to) break;
  }
  for (const [reading, count] of taken) reading.page = reading.page.slice(count);
  return run;
};
