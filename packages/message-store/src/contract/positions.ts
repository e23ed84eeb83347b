import { expect, test } from '@jest/globals';
import type { ConversationRole, MessageStore } from '../port.ts';

let counter = 100;
/** A shard no other test uses. */
const aShard = (): number => ++counter;

/** What a worker may rely on to go on where the store stands. */
export const positionsContract = (store: () => MessageStore): void => {
  const conversations = (): ConversationRole => store().conversations;

  test('is empty until one is kept, then the one kept last as a whole, of that shard alone', async () => {
    const [shard, other] = [aShard(), aShard()];
    expect(await conversations().shardPosition(shard)).toEqual({});
    const epoch = await conversations().claimShard(shard);
    expect(await conversations().shardPosition(shard)).toEqual({});
    await conversations().keepShardPosition(shard, epoch, { 'message.sent-0': 7, 'user.action-0': 2 ** 44 });
    await conversations().keepShardPosition(shard, epoch, { 'message.sent-0': 9 });
    expect(await conversations().shardPosition(shard)).toEqual({ 'message.sent-0': 9 });
    expect(await conversations().shardPosition(other)).toEqual({});
  });

  test('outlasts the claim of another owner, and is not moved by who owned the shard before', async () => {
    const shard = aShard();
    const before = await conversations().claimShard(shard);
    expect(await conversations().keepShardPosition(shard, before, { 'message.sent-0': 7 })).toBe(true);
    const now = await conversations().claimShard(shard);
    expect(await conversations().shardPosition(shard)).toEqual({ 'message.sent-0': 7 });
    expect(await conversations().keepShardPosition(shard, before, { 'message.sent-0': 99 })).toBe(false);
    expect(await conversations().shardPosition(shard)).toEqual({ 'message.sent-0': 7 });
    await conversations().claimShard(aShard());
    await conversations().keepShardPosition(shard, now, { 'message.sent-0': 8 });
    expect(await conversations().shardPosition(shard)).toEqual({ 'message.sent-0': 8 });
  });
};
