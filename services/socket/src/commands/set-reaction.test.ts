import { maxReactionUsers } from '@caas/kit';
import { ConversationKind, Role } from '@caas/proto/caas/events/v1/content';
import { expect, test } from '@jest/globals';
import { defaultLimits } from '../limits.ts';
import type { CommandContext } from './command.ts';
import { setReaction } from './set-reaction.ts';

/** A member's command on a message with so many likes. */
const contextOf = (userId: string, likes: number) => {
  const conversation = {
    tenantId: 't',
    conversationId: 'c',
    rules: { kind: ConversationKind.CONVERSATION_KIND_GROUP, archived: false },
  };
  const member = { role: Role.ROLE_MEMBER, visibleFromSeq: 1 };
  const reactions = [{ kind: 'like', userIds: Array.from({ length: likes }, (_, i) => `u${i}`) }];
  let published = 0;
  const context = {
    connection: { claims: { tenantId: 't', userId }, limits: defaultLimits },
    node: {
      clock: { now: () => 1 },
      directory: { member: async () => ({ conversation, member }) },
      store: {
        messages: { getMany: async () => [{ messageId: 'm', seq: 1, deletedAtMs: 0, reactions }] },
        conversations: { getMany: async () => [{ lastSeq: 1, membersRev: 1 }] },
      },
      messages: { writer: { append: async () => ++published } },
    },
    admitted: () => undefined,
  } as unknown as CommandContext;
  return { context, published: () => published };
};

const reacts = async (userId: string, likes: number, present = true): Promise<number> => {
  const { context, published } = contextOf(userId, likes);
  await setReaction(context, { conversationId: 'c', messageId: 'm', kind: 'like', present });
  return published();
};

test('a reaction past the most a message keeps is refused, not accepted and dropped', async () => {
  expect(await reacts('new', maxReactionUsers - 1)).toBe(1);
  await expect(reacts('new', maxReactionUsers)).rejects.toMatchObject({
    reason: 'LIMIT_EXCEEDED',
    details: { limit: 'maxReactionUsers' },
  });
});

test('at that bound one’s own reaction can be set again and taken back', async () => {
  expect(await reacts('u0', maxReactionUsers)).toBe(1);
  expect(await reacts('u0', maxReactionUsers, false)).toBe(1);
});
