import {
  conversationTopics,
  DeadLetterHeader,
  deadLetterTopic,
  type EventLog,
  type LogRecord,
  tenantHeader,
} from '@caas/event-log';
import { markTopic, retriedHeader } from './dead-letters.ts';

/** Records read, and sent again, at once. */
const pageRecords = 1_000;
/** Header of a "retried" mark: where the next retry of the conversation starts in each dead-letter topic, as JSON. */
const uptoHeader = 'dlq-upto';

/**
 * What an operator does when the cause is gone: sends the kept-back records of a parked conversation again, in the order
 * they came in. The first of them lets the conversation go on. Records that were kept back meanwhile need another call.
 * Answers how many were sent. A crash in between may send some twice, which changes nothing.
 */
export const retryParked = async (log: EventLog, tenantId: string, conversationId: string): Promise<number> => {
  const own = ({ key, headers }: LogRecord): boolean => key === conversationId && headers[tenantHeader] === tenantId;
  const upto: Record<string, number> = {};
  for await (const record of lettersIn(log, markTopic, 0))
    if (own(record) && record.headers[DeadLetterHeader.kind] === 'retried')
      Object.assign(upto, JSON.parse(record.headers[uptoHeader] ?? '{}'));

  const kept: LogRecord[] = [];
  for (const topic of conversationTopics.map(deadLetterTopic))
    for await (const record of lettersIn(log, topic, upto[topic] ?? 0)) {
      if (!own(record) || record.headers[DeadLetterHeader.kind] !== 'kept-back') continue;
      kept.push(record);
      upto[topic] = record.offset + 1;
    }
  if (kept.length === 0) return 0;
  kept.sort((a, b) => a.appendedAtMs - b.appendedAtMs);
  for (let i = 0; i < kept.length; i += pageRecords)
    await log.append(kept.slice(i, i + pageRecords).map((record) => originalOf(record)));
  const headers = {
    [tenantHeader]: tenantId,
    [DeadLetterHeader.kind]: 'retried',
    [uptoHeader]: JSON.stringify(upto),
  };
  await log.append([{ topic: markTopic, key: conversationId, value: new Uint8Array(0), headers }]);
  return kept.length;
};

const ownHeaders = new Set<string>(Object.values(DeadLetterHeader));

const originalOf = ({ key, value, headers }: LogRecord) => ({
  topic: headers[DeadLetterHeader.topic] ?? '',
  key,
  value,
  headers: {
    ...Object.fromEntries(Object.entries(headers).filter(([name]) => !ownHeaders.has(name))),
    [retriedHeader]: '1',
  },
});

async function* lettersIn(log: EventLog, topic: string, fromOffset: number): AsyncGenerator<LogRecord> {
  const { first, next } = await log.bounds(topic, 0);
  let from = Math.max(first, fromOffset);
  while (from < next) {
    const records = await log.read(topic, 0, from, pageRecords);
    if (records.length === 0) return;
    yield* records;
    from = (records.at(-1) as LogRecord).offset + 1;
  }
}
