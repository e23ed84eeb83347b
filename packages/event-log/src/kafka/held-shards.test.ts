import { expect, test } from '@jest/globals';
import { aGroup, eventually } from '../contract/harness.ts';
import type { GroupOffset } from '../port.ts';
import { HeldShards } from './held-shards.ts';
import { PartitionBuffer } from './partition-buffer.ts';

const topic = { name: 't', physical: 't', partitions: 1, generation: 0, retentionMs: 1 };

test('a handler that is asked again to take a shard over, while the shards are spread anew, hears where it stands', async () => {
  const began: GroupOffset[] = [];
  const held = new HeldShards({
    options: aGroup({ topics: ['t'], shards: 1 }),
    handler: {
      assigned: async (_, offsets) => {
        began.push(...offsets);
        if (began.length === 1) throw new Error('not yet');
      },
      batch: async () => undefined,
      revoked: async () => undefined,
    },
    closeGraceMs: 1_000,
    finished: () => undefined,
    report: () => undefined,
  });
  const buffer = new PartitionBuffer(topic, 0, 5);
  held.start(0, [buffer]);
  await held.pause();
  const message = { timestamp: '0', key: Buffer.from('k'), value: Buffer.from('v'), headers: {} };
  buffer.source.take(
    [
      { ...message, offset: '5' },
      { ...message, offset: '6' },
    ],
    7,
  );
  await eventually(() => expect(began).toHaveLength(2));
  expect(began.map(({ next }) => next)).toEqual([5, 5]);
  await held.stop([0], 'revoke');
});
