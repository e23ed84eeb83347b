/** Appends for ever and prints each acknowledged record; a test kills it. */
import { openSqliteEventLog } from '../sqlite-event-log.ts';
import { Topic } from '../topics.ts';

const log = await openSqliteEventLog({ file: process.argv[2] as string });
const appendForEver = async (appender: number): Promise<void> => {
  for (let i = 0; ; i += 1) {
    const text = `${process.pid} ${appender} ${i}`;
    const value = new TextEncoder().encode(text);
    const [position] = await log.append([{ topic: Topic.messageSent, key: `conv-${appender}`, value, headers: {} }]);
    process.stdout.write(`${JSON.stringify([text, position?.partition, position?.offset])}\n`);
  }
};
await Promise.all(Array.from({ length: 32 }, (_, appender) => appendForEver(appender)));
