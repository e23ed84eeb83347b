import { CaasError } from '@caas/kit';
import type { EventLog, LogRecord, NewRecord } from './port.ts';
import { deadLetterTopic, Topic } from './topics.ts';

export const DeadLetterHeader = {
  kind: 'dlq-kind',
  reason: 'dlq-reason',
  topic: 'dlq-topic',
  partition: 'dlq-partition',
  offset: 'dlq-offset',
} as const;

/** Header of a "retried" mark: where the next retry of the conversation starts in each topic of dead letters, as JSON. */
export const retriedUptoHeader = 'dlq-upto';

/** Where conversations are marked as parked, resumed and retried: one partition, so the marks are in one order. */
export const parkMarkTopic = deadLetterTopic(Topic.conversationUpdated);

/** Dead letters read at once. */
const pageRecords = 1_000;

/** The dead letters of a topic, from an offset on. */
export async function* deadLettersIn(
  log: Pick<EventLog, 'bounds' | 'read'>,
  topic: string,
  fromOffset = 0,
): AsyncGenerator<LogRecord> {
  const { first, next } = await log.bounds(topic, 0);
  let from = Math.max(first, fromOffset);
  while (from < next) {
    const records = await log.read(topic, 0, from, pageRecords);
    if (records.length === 0) return;
    yield* records;
    from = (records.at(-1) as LogRecord).offset + 1;
  }
}

/** A record that could not be applied. */
export interface DeadLetter<K extends string = string> {
  source: LogRecord;
  kind: K;
  reason: string;
}

/** Characters of a key that a dead letter keeps; keys are ids, so only a wrong one is longer. */
const maxKeyLength = 1_024;

const letterOf = ({ source, kind, reason }: DeadLetter, headers: LogRecord['headers']): NewRecord => ({
  topic: deadLetterTopic(source.topic),
  key: source.key.slice(0, maxKeyLength),
  value: source.value,
  headers: {
    ...headers,
    [DeadLetterHeader.topic]: source.topic,
    [DeadLetterHeader.partition]: String(source.partition),
    [DeadLetterHeader.offset]: String(source.offset),
    [DeadLetterHeader.kind]: kind,
    [DeadLetterHeader.reason]: reason,
  },
});

/** Puts records aside with the reason and their position. Durable when it resolves. */
export const putAside = async (log: Pick<EventLog, 'append'>, letters: readonly DeadLetter[]): Promise<void> => {
  if (letters.length === 0) return;
  try {
    await log.append(letters.map((letter) => letterOf(letter, letter.source.headers)));
  } catch (fault) {
    // A record at the log's limits has no room for more headers; its own can be read where it came from.
    if (!(fault instanceof CaasError) || fault.reason !== 'INVALID_ARGUMENT') throw fault;
    await log.append(letters.map((letter) => letterOf(letter, {})));
  }
};
