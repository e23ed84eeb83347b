/** Appenders that number what they append, and the check of what became of it, by content. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventLog, LogRecord } from '../port.ts';
import { Topic } from '../topics.ts';

export type Fate = 'accepted' | 'UNAVAILABLE' | 'DEADLINE_EXCEEDED' | 'OVERLOADED';

export interface History {
  key: string;
  /** Fate of number i of the key. */
  fates: Fate[];
}

const encoder = new TextEncoder();

/** Appends the next numbers under one key, each after the answer to the one before, until `signal` fires. */
export const appendNumbers = async (
  log: Pick<EventLog, 'append'>,
  key: string,
  signal: AbortSignal,
  fates: Fate[] = [],
): Promise<History> => {
  while (!signal.aborted) {
    const value = encoder.encode(String(fates.length));
    const fate = await log.append([{ topic: Topic.messageSent, key, value, headers: {} }]).then(
      () => 'accepted' as const,
      (error: { reason: Fate | 'DRAINING' }) => error.reason,
    );
    if (fate === 'DRAINING') break;
    fates.push(fate);
    if (fate !== 'accepted') await nextTurn();
  }
  return { key, fates };
};

/** Everything in the partitions of the topic that the appenders write to. */
export const everything = async (log: EventLog, partitions = 6): Promise<LogRecord[]> => {
  const records: LogRecord[] = [];
  for (let partition = 0; partition < partitions; partition += 1) {
    const { first, next } = await log.bounds(Topic.messageSent, partition);
    for (let at = first; at < next; ) {
      const page = await log.read(Topic.messageSent, partition, at, 10_000);
      if (page.length === 0) break;
      records.push(...page);
      at = (page.at(-1) as LogRecord).offset + 1;
    }
  }
  return records;
};

/** What is wrong with the log, a sentence each: lost, doubled, there though refused, or in another order. */
export const faultsOf = (histories: readonly History[], records: readonly LogRecord[]): string[] =>
  histories.flatMap(({ key, fates }) => {
    const found = records.filter((record) => record.key === key).map(({ value }) => Number(Buffer.from(value)));
    const counts = new Map<number, number>();
    for (const number of found) counts.set(number, (counts.get(number) ?? 0) + 1);
    return [
      ...found.flatMap((n, i) => (i > 0 && n < (found[i - 1] as number) ? [`${key}: ${n} after ${found[i - 1]}`] : [])),
      ...fates.flatMap((fate, n) => {
        const count = counts.get(n) ?? 0;
        if (count > 1) return [`${key}: ${n} is there ${count} times`];
        if (fate === 'accepted' && count === 0) return [`${key}: ${n} was accepted and is lost`];
        if ((fate === 'UNAVAILABLE' || fate === 'OVERLOADED') && count > 0)
          return [`${key}: ${n} was refused and is there`];
        return [];
      }),
    ];
  });

export const countOf = (histories: readonly History[], fate: Fate): number =>
  histories.reduce((sum, { fates }) => sum + fates.filter((f) => f === fate).length, 0);
