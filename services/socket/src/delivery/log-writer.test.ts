import type { EventLog, LogPosition, NewRecord } from '@caas/event-log';
import { CaasError, fail, type Logger, toCaasError } from '@caas/kit';
import { expect, test } from '@jest/globals';
import { LogWriter } from './log-writer.ts';

const aLogger = () => {
  const faults: object[] = [];
  return { faults, logger: { error: (fault: object) => faults.push(fault) } as unknown as Logger };
};

const aRecord = (key: string, text: string, topic = 'message.sent'): NewRecord => {
  return { topic, key, value: Buffer.from(text), headers: {} };
};

/** A log of which the partitions of some conversations can't be written: their appends wait until they are ended. */
class PartialLog implements Pick<EventLog, 'append'> {
  readonly appends: string[][] = [];
  readonly #dead: ReadonlySet<string>;
  readonly #ends: ((error: CaasError) => void)[] = [];

  constructor(...dead: string[]) {
    this.#dead = new Set(dead);
  }

  append(records: readonly NewRecord[]): Promise<LogPosition[]> {
    this.appends.push(records.map(({ value }) => String(value)));
    if (records.some(({ topic, key }) => this.#dead.has(`${topic} ${key}`)))
      return new Promise((_, reject) => this.#ends.push(reject));
    return Promise.resolve(records.map((_, offset) => ({ partition: 0, offset })));
  }

  end(): void {
    for (const reject of this.#ends.splice(0)) reject(new CaasError('DEADLINE_EXCEEDED', 'no leader'));
  }
}

test('what can be written of a turn is told at once, whatever of it can not, a conversation of one topic together', async () => {
  const log = new PartialLog('message.sent dead', 'message.edited both');
  const events: string[] = [];
  const writer = new LogWriter(log as unknown as EventLog, aLogger().logger, {
    maxPending: 10,
    onFlush: (turn) => events.push(`${turn.length} flushed`),
    onAppended: (entries, turn) => events.push(`${entries.length} of ${turn.length} appended`),
    onRefused: () => events.push('refused'),
  });
  const append = (...record: Parameters<typeof aRecord>) =>
    writer.append(aRecord(...record)).then(
      ({ offset }) => events.push(`${record[1]} at ${offset}`),
      (error) => events.push(`${record[1]} ${toCaasError(error).reason}`),
    );
  const dead = [append('dead', 'a'), append('both', 'b', 'message.edited')];
  await Promise.all([append('live', 'c'), append('both', 'd'), append('live', 'e')]);
  expect(log.appends).toEqual([['a'], ['b'], ['c', 'e'], ['d']]);
  const told = ['c at 0', 'e at 1', 'd at 0'];
  expect(events.toSorted()).toEqual(['5 flushed', '2 of 5 appended', '1 of 5 appended', ...told].toSorted());
  expect(writer.pending).toBe(2);
  log.end();
  await Promise.all(dead);
  expect(events.slice(-4).toSorted()).toEqual(['a DEADLINE_EXCEEDED', 'b DEADLINE_EXCEEDED', 'refused', 'refused']);
  await writer.idle();
});

test('what the log took is told as taken to all, though telling one of them fails', async () => {
  const { faults, logger } = aLogger();
  const log: Pick<EventLog, 'append'> = {
    append: async (records) => records.map((_, offset) => ({ partition: 0, offset })),
  };
  let appended = 0;
  let refusals = 0;
  const writer = new LogWriter(log as EventLog, logger, {
    maxPending: 10,
    onFlush: () => fail('INTERNAL', 'a defect'),
    onAppended: () => appended++,
    onRefused: () => refusals++,
  });
  const told: string[] = [];
  const submit = (name: string, then: () => void) =>
    writer.submit({
      record: aRecord('conversation', name),
      accepted: ({ offset }) => {
        told.push(`${name} ${offset}`);
        then();
      },
      refused: () => told.push(`${name} refused`),
    });
  submit('one', () => undefined);
  submit('two', () => fail('INTERNAL', 'a defect'));
  submit('three', () => undefined);
  await writer.idle();
  expect(told).toEqual(['one 0', 'two 1', 'three 2']);
  expect({ appended, refusals, faults: faults.length, pending: writer.pending }).toEqual({
    appended: 1,
    refusals: 0,
    faults: 2,
    pending: 0,
  });
});
