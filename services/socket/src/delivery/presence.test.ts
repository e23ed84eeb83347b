import { interestKey, LivingNodes, memoryKeyValue, setCanary, startMember, watchersKey } from '@caas/key-value';
import { expect, test } from '@jest/globals';
import { Ephemeral } from './presence.ts';

const quiet = { debug: () => undefined } as never;
const hourMs = 3_600_000;
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

test('who types and who comes online is told to no node that is dead', async () => {
  let nowMs = 1_000;
  const clock = { now: () => nowMs };
  const keyValue = memoryKeyValue({ clock });
  const told: string[] = [];
  const link = { send: (nodeId: string) => void told.push(nodeId) };
  const directory = { conversation: () => undefined };
  const living = new LivingNodes(keyValue, clock, quiet);
  const parts = [keyValue, living, directory, {}, link, clock, quiet, 'own'] as unknown;
  const ephemeral = new Ephemeral(...(parts as ConstructorParameters<typeof Ephemeral>));
  const conversation = { interestKey: interestKey('t', 'c') } as never;
  for (const key of [interestKey('t', 'c'), watchersKey('t', 'ann')])
    for (const nodeId of ['own', 'dead', 'lives'])
      await keyValue.addToSets([{ key, member: startMember({ nodeId, startId: 's' }) }], hourMs);
  await setCanary(keyValue, { nodeId: 'lives', startId: 's' }, hourMs);

  const telling = async (): Promise<string[]> => {
    told.length = 0;
    ephemeral.typing(conversation, { tenantId: 't', conversationId: 'c', userId: 'ann', typing: true });
    ephemeral.cameOnline('t', 'ann');
    await turns();
    return told.toSorted();
  };
  expect(await telling()).toEqual(['dead', 'dead', 'lives', 'lives']);
  nowMs += 1_000;
  await telling();
  expect(await telling()).toEqual(['lives', 'lives']);
});
