import { describe, expect, test } from '@jest/globals';
import { keyValueContract, nodeInboxContract, rateLimitsContract } from './contract.ts';
import { memoryKeyValue, memoryNodeInbox, memoryRateLimits } from './index.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

keyValueContract('Memory', async () => memoryKeyValue());
nodeInboxContract('Memory', async () => memoryNodeInbox({ onFault: () => undefined }));
rateLimitsContract('Memory', async () => memoryRateLimits());

describe('bounds of the memory adapters', () => {
  test('the key-value store drops the oldest keys at maxEntries and at maxBytes', async () => {
    const store = memoryKeyValue({ maxEntries: 3, maxBytes: 2_000 });
    for (const key of ['a', 'b', 'c', 'd']) await store.set(key, bytes(key), 1_000);
    expect((await store.getMany(['a', 'b', 'c', 'd'])).map((v) => v !== undefined)).toEqual([false, true, true, true]);
    await store.set('large', new Uint8Array(1_700), 1_000);
    expect((await store.getMany(['b', 'c', 'd', 'large'])).map((v) => v?.byteLength)).toEqual([undefined, 1, 1, 1_700]);
    await store.addToSets(
      ['m', 'n', 'o', 'p'].map((member) => ({ key: 'set', member })),
      1_000,
    );
    expect(await store.membersOf(['set'])).toEqual([[]]);
    expect(store.size).toBe(0);
    await store.close();
  });

  test('the key-value store forgets expired keys nobody asks for, as others are written', async () => {
    let nowMs = 0;
    const store = memoryKeyValue({ clock: { now: () => nowMs } });
    for (let i = 0; i < 1_000; i += 1) await store.set(`old${i}`, bytes('x'), 10);
    nowMs = 11;
    for (let i = 0; i < 500; i += 1) await store.set('new', bytes('x'), 10);
    expect(store.size).toBe(1);
    store.flush();
    expect([store.size, await store.get('new')]).toEqual([0, undefined]);
    await store.close();
  });

  test('the key-value store forgets members of sets that others renew, and does not grow by them', async () => {
    let nowMs = 0;
    const store = memoryKeyValue({ clock: { now: () => nowMs } });
    for (let start = 0; start < 100; start += 1) {
      nowMs += 100_000;
      const members = [`node-of-start-${start}`, 'a-node-that-lives'];
      await store.addToSets(
        members.map((member) => ({ key: 'set', member })),
        300_000,
      );
      expect(store.size).toBeLessThanOrEqual(4);
    }
    nowMs += 250_000;
    for (let i = 0; i < 2; i += 1) await store.set('other', bytes('x'), 10);
    expect(store.size).toBe(3);
    nowMs += 50_001;
    for (let i = 0; i < 2; i += 1) await store.set('other', bytes('x'), 10);
    expect(store.size).toBe(1);
    await store.close();
  });

  test('the node inbox drops and counts what is over maxQueueBytes in a turn, and goes on after it', async () => {
    const inbox = memoryNodeInbox({ maxQueueBytes: 10 });
    const heard: number[] = [];
    await inbox.listen('node-1', (envelope) => heard.push(envelope[0] as number));
    for (let i = 0; i < 5; i += 1) await inbox.send('node-1', new Uint8Array(4).fill(i));
    await new Promise((resolve) => setImmediate(resolve));
    await inbox.send('node-1', new Uint8Array(4).fill(9));
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([0, 1, 9]);
    expect(inbox.dropped).toBe(3);
    await inbox.close();
  });

  test('the rate limits forget the oldest bucket at maxBuckets', async () => {
    const limits = memoryRateLimits({ maxBuckets: 2 });
    const rule = { name: 'r', points: 1, windowMs: 60_000 };
    for (const key of ['a', 'b', 'c']) await limits.take(rule, key);
    expect(await limits.take(rule, 'c')).toMatchObject({ allowed: false });
    expect(await limits.take(rule, 'a')).toMatchObject({ allowed: true });
    await limits.close();
  });
});
