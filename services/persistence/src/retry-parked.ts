import {
  conversationTopics,
  DeadLetterHeader,
  deadLettersIn,
  deadLetterTopic,
  type EventLog,
  type LogRecord,
  parkMarkTopic,
  retriedUptoHeader,
  tenantHeader,
} from '@caas/event-log';
import { retriedHeader } from './dead-letters.ts';

/** Records sent again at once. */
const pageRecords = 1_000;

/**
 * What an operator does when the cause is gone: sends the kept-back records of a parked conversation again, in the order
 * they came in. The first of them lets the conversation go on. Records that were kept back meanwhile need another call.
 * Answers how many were sent. A crash in between may send some twice, which changes nothing.
 */
export const retryParked = async (log: EventLog, tenantId: string, conversationId: string): Promise<number> => {
  const own = ({ key, headers }: LogRecord): boolean => key === conversationId && headers[tenantHeader] === tenantId;
  const upto: Record<string, number> = {};
  for await (const record of deadLettersIn(log, parkMarkTopic))
    if (own(record) && record.headers[DeadLetterHeader.kind] === 'retried')
      Object.assign(upto, JSON.parse(record.headers[retriedUptoHeader] ?? '{}'));

  const kept: LogRecord[] = [];
  for (const topic of conversationTopics.map(deadLetterTopic))
    for await (const record of deadLettersIn(log, topic, upto[topic] ?? 0)) {
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
    [retriedUptoHeader]: JSON.stringify(upto),
  };
  await log.append([{ topic: parkMarkTopic, key: conversationId, value: new Uint8Array(0), headers }]);
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
