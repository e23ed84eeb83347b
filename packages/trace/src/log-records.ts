import { type EventLog, type LogRecord, partitionName, topics, traceparentHeader } from '@caas/event-log';
import { isTraceparent, traceIdOf } from '@caas/kit';
import type { Hop } from './hop.ts';

/** Records read at once. */
const window = 500;

export type Readable = Pick<EventLog, 'bounds' | 'read'>;

/** Records of a partition from a time on, newest first; read from its end, for a log is found by offset and not by time. */
async function* recordsOf(log: Readable, topic: string, partition: number, sinceMs: number): AsyncGenerator<LogRecord> {
  const { first, next } = await log.bounds(topic, partition);
  for (let end = next; end > first; ) {
    const from = Math.max(first, end - window);
    const records = (await log.read(topic, partition, from, window)).filter(({ offset }) => offset < end);
    yield* records.toReversed();
    if (records[0] && records[0].appendedAtMs < sinceMs) return;
    end = from;
  }
}

/** Records of a topic that hold what is looked for, taken by the log since a time. */
export const recordsWhere = async (
  log: Readable,
  topic: string,
  sinceMs: number,
  holds: (record: LogRecord) => boolean,
): Promise<LogRecord[]> => {
  const partitions = topics.find(({ name }) => name === topic)?.partitions ?? 0;
  const found: LogRecord[] = [];
  for (let partition = 0; partition < partitions; partition++)
    for await (const record of recordsOf(log, topic, partition, sinceMs))
      if (record.appendedAtMs >= sinceMs && holds(record)) found.push(record);
  return found;
};

/** Whether a record is of the trace. */
export const isOf =
  (traceId: string) =>
  ({ headers }: LogRecord): boolean => {
    const traceparent = headers[traceparentHeader] ?? '';
    return isTraceparent(traceparent) && traceIdOf(traceparent) === traceId;
  };

const typeOf = ({ headers }: LogRecord): string =>
  /messageType=caas\.events\.v1\.(\w+)/.exec(headers['content-type'] ?? '')?.[1] ?? '';

export const hopOfRecord = (record: LogRecord, more = ''): Hop => ({
  kind: 'record',
  where: `log ${partitionName(record.topic, record.partition)}`,
  what: `${typeOf(record)} at offset ${record.offset}${more}`,
  atMs: record.appendedAtMs,
});
