import {
  interestKey,
  LivingNodes,
  memoryKeyValue,
  memoryNodeInbox,
  setCanary,
  startMember,
  userNodesKey,
} from '@caas/key-value';
import { ConversationDocument } from '@caas/proto/caas/events/v1/documents';
import { MessageRejected } from '@caas/proto/caas/events/v1/message_events';
import { expect, test } from '@jest/globals';
import { type News, notifyNodes } from './notify.ts';

const quiet = { debug: () => undefined } as never;
const hourMs = 3_600_000;
const [tenantId, conversationId, senderId] = ['t', 'c', 'ann'];

/** A head of conversation c for those interested in it and the nodes of bob, and a rejection for the nodes of ann. */
const news: News = {
  notices: [
    {
      conversation: ConversationDocument.fromPartial({ tenantId, conversationId, headRev: 2 }),
      ...{ prevHeadRev: 1, applied: {}, changes: [], incomplete: false },
      affectedUsers: ['bob'],
      nodeIds: new Set(),
    },
  ],
  rejections: [
    { rejected: MessageRejected.fromPartial({ tenantId, conversationId, senderId }), traceparent: '', nodeId: '' },
  ],
};

test('nodes that are dead are told nothing more, by whichever set they are still named', async () => {
  let nowMs = 1_000;
  const clock = { now: () => nowMs };
  const keyValue = memoryKeyValue({ clock });
  const living = new LivingNodes(keyValue, clock, quiet);
  const inbox = memoryNodeInbox({ onFault: () => undefined });
  const told: string[] = [];
  const keys = [interestKey(tenantId, conversationId), userNodesKey(tenantId, 'bob'), userNodesKey(tenantId, senderId)];
  for (const [i, key] of keys.entries()) {
    for (const nodeId of [`dead-${i}`, `lives-${i}`]) {
      await keyValue.addToSets([{ key, member: startMember({ nodeId, startId: 's' }) }], hourMs);
      await inbox.listen(nodeId, () => told.push(nodeId));
    }
    await setCanary(keyValue, { nodeId: `lives-${i}`, startId: 's' }, hourMs);
  }
  const telling = async (): Promise<string[]> => {
    told.length = 0;
    await notifyNodes(keyValue, living, inbox, news);
    // Envelopes and the look at the canaries take a turn each.
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    return told.toSorted();
  };
  // Who was not looked for yet counts as alive, and who was missing once.
  expect(await telling()).toHaveLength(6);
  nowMs += 1_000;
  expect(await telling()).toHaveLength(6);
  expect(await telling()).toEqual(['lives-0', 'lives-1', 'lives-2']);
  await inbox.close();
});
