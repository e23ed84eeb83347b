import { expect, test } from '@jest/globals';
import { aConversation, toRecord } from './testing/builders.ts';
import { Bench, hooked, until } from './testing/harness.ts';

test('a worker that is done with no record while some wait is not ready, until it is done with one', async () => {
  const bench = await Bench.open({ stallMs: 300 });
  try {
    let answering = Promise.resolve();
    const worker = bench.start({ store: hooked(bench.store, { before: () => answering }) });
    const c = aConversation('room');
    await bench.log.append([toRecord(c.created(['ann', 'bob']), c)]);
    await until(async () => (await worker.stats()).applied === 1);
    expect(worker.ready()).toBe(true);
    const { promise, resolve: answer } = Promise.withResolvers<void>();
    answering = promise;
    await bench.log.append([toRecord(c.sent('waits'), c)]);
    await until(() => !worker.ready());
    answer();
    await until(() => worker.ready());
  } finally {
    await bench.close();
  }
});
