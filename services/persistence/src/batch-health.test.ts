import type { ShardHandler } from '@caas/event-log';
import { CaasError } from '@caas/kit';
import { expect, test } from '@jest/globals';
import { BatchHealth, maxFailingMs } from './batch-health.ts';
import { aConversation, toRecord } from './testing/builders.ts';
import { Bench, hooked, until } from './testing/harness.ts';

test('a worker whose batches fail for half a minute is not ready, until one goes through or the shard is another’s', async () => {
  let nowMs = 1_000;
  let full = true;
  const health = new BatchHealth({ now: () => nowMs });
  const answer = async (): Promise<void> => {
    if (full) throw new CaasError('UNAVAILABLE', 'the disk is full');
  };
  const handler = health.watched({ assigned: answer, batch: answer, revoked: async () => undefined } as ShardHandler);
  const signal = new AbortController().signal;
  const failing = () => expect(handler.batch(1, [], signal)).rejects.toThrow('the disk is full');
  await failing();
  nowMs += maxFailingMs - 1;
  await failing();
  expect(health.ready).toBe(true);
  nowMs += 1;
  expect(health.ready).toBe(false);
  full = false;
  await handler.batch(0, [], signal);
  expect(health.ready).toBe(false);
  await handler.batch(1, [], signal);
  expect(health.ready).toBe(true);

  full = true;
  await failing();
  nowMs += maxFailingMs;
  expect(health.ready).toBe(false);
  await handler.revoked(1);
  expect(health.ready).toBe(true);
  // A batch that was given back because the worker stops is no failure.
  await expect(handler.batch(1, [], AbortSignal.abort())).rejects.toThrow();
  nowMs += maxFailingMs;
  expect(health.ready).toBe(true);
});

test('a worker whose batch does not come to its end while records wait is not ready, until it does', async () => {
  const bench = await Bench.open({ stallMs: 300 });
  const gate = Promise.withResolvers<void>();
  const store = hooked(bench.store, {
    before: (name) => (name === 'messages.write' ? gate.promise : undefined),
  });
  try {
    const worker = bench.start({ store });
    expect(worker.ready()).toBe(true);
    const c = aConversation('c');
    await bench.log.append([c.created(['ann', 'bob']), c.sent('hi')].map((event) => toRecord(event, c)));
    await until(() => !worker.ready());
    gate.resolve();
    await until(() => worker.ready());
    expect(await bench.checked('c')).toHaveLength(1);
  } finally {
    gate.resolve();
    await bench.close();
  }
});
