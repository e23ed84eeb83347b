import { createLogger } from '@caas/kit/log';
import type { NodeEntry } from '@caas/proto/caas/events/v1/node_envelope';
import { expect, test } from '@jest/globals';
import { EnvelopeSeal } from './envelope-seal.ts';
import { NodeLink } from './node-link.ts';

const quiet = createLogger({ service: 'test', level: 'silent' });
const canary = Buffer.from('what was said');
const delivery: NodeEntry = {
  entry: { $case: 'delivery', value: { position: 7, messageSent: canary, traceparent: '' } },
};

/** What node `from` hands over for `to`, and what node `as` makes of it. */
const told = async (from: { key: string; sealing: boolean }, as: { key: string; sealing: boolean; nodeId: string }) => {
  const envelope = Promise.withResolvers<Buffer>();
  const sending = {
    send: async (_: string, bytes: Uint8Array): Promise<void> => envelope.resolve(Buffer.from(bytes)),
  };
  const sender = new NodeLink(
    sending as never,
    'from',
    { seal: new EnvelopeSeal(from.key), sealing: from.sealing },
    quiet,
  );
  sender.send('to', delivery, 100);
  const bytes = await envelope.promise;
  const heard: NodeEntry[] = [];
  const listening = {
    listen: async (_: string, handler: (bytes: Uint8Array) => void) => {
      handler(bytes);
      return async () => undefined;
    },
  };
  const receiver = new NodeLink(
    listening as never,
    as.nodeId,
    { seal: new EnvelopeSeal(as.key), sealing: as.sealing },
    quiet,
  );
  await receiver.listen((entry) => heard.push(entry));
  return { bytes, heard };
};

const key = 'the key of all nodes';

test('envelopes are read whatever the reader itself does, sealed or in the clear', async () => {
  for (const sealing of [true, false])
    for (const alsoSeals of [true, false]) {
      const { bytes, heard } = await told({ key, sealing }, { key, sealing: alsoSeals, nodeId: 'to' });
      expect(heard).toMatchObject([{ entry: { value: { position: 7 } } }]);
      expect(bytes.includes(canary)).toBe(!sealing);
    }
});

test('a sealed envelope is dropped by a node it is not for, and by one with another key', async () => {
  const from = { key, sealing: true };
  expect((await told(from, { key, sealing: true, nodeId: 'another' })).heard).toEqual([]);
  expect((await told(from, { key: 'another key of nodes', sealing: true, nodeId: 'to' })).heard).toEqual([]);
});
