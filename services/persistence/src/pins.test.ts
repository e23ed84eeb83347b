import { afterEach, expect, test } from '@jest/globals';
import { maxPins } from './apply/limits.ts';
import { aConversation, toRecord } from './testing/builders.ts';
import { Bench, hooked, unavailable, until } from './testing/harness.ts';

const open: Bench[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((bench) => bench.close()));
});

test('pins from before they were counted are counted once, and right even when what follows is written and lost', async () => {
  const bench = await Bench.open();
  open.push(bench);
  const c = aConversation('c');
  const head = async () => (await bench.store.conversations.getMany([c]))[0];
  const ids = Array.from({ length: maxPins + 1 }, (_, i) => `m${i}`);
  const worker = bench.start();
  await bench.log.append([toRecord(c.created(['ann']), c), ...ids.map((id) => toRecord(c.sent(id), c))]);
  await until(async () => (await head())?.lastSeq === ids.length);
  await bench.log.append(ids.slice(0, maxPins).map((id) => toRecord(c.pinned('ann', id), c)));
  await until(async () => (await head())?.pinCount === maxPins);
  await worker.stop();
  const counted = await head();
  if (!counted) throw new Error('no head');
  const old = { ...counted, pinCount: undefined };
  await bench.store.conversations.commit([{ expectedHeadRev: counted.headRev, document: old }]);

  // The pin finds no room; the unpinning after it makes some, is written, and its commit fails once.
  let fails = 1;
  let wrote = false;
  const store = hooked(bench.store, {
    before: (name) => {
      if (name === 'messages.write') wrote = true;
      if (name === 'conversations.commit' && wrote && fails-- > 0) throw unavailable();
    },
  });
  await bench.log.append([toRecord(c.pinned('ann', `m${maxPins}`), c), toRecord(c.pinned('ann', 'm0', false), c)]);
  bench.start({ store, config: { maxBatchRecords: 1_000 } });
  await until(async () => (await head())?.pinCount === maxPins - 1);
  const { documents } = await bench.store.messages.pinned(c, ids.length, { limit: 99 });
  expect(documents.map((m) => m.messageId).sort()).toEqual(ids.slice(1, maxPins).map(c.messageId).sort());
  expect(fails).toBeLessThan(1);
});
