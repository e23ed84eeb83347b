import { derivedId, fail } from '@caas/kit';
import { ConversationKind, Role } from '@caas/proto/caas/events/v1/content';
import type { CreateConversation } from '@caas/proto/caas/socket/v1/commands';
import { assertClientId } from '../model/content.ts';
import { commitChange } from './act.ts';
import type { Command, CommandContext } from './command.ts';
import { conversationResult } from './entries.ts';

/** Creates a conversation, or answers the one the same request created before. */
export const createConversation: Command<'createConversation'> = async (context, request) => {
  const { node, connection } = context;
  const { tenantId, userId } = connection.claims;
  const others = [...new Set(request.memberIds)].filter((id) => id !== userId);
  const conversationId = idOf(tenantId, userId, request, others);
  const [existing] = await node.store.conversations.getMany([{ tenantId, conversationId }]);
  // A worker's fence leaves a placeholder without members: that is no conversation yet.
  if (!existing || existing.membersRev === 0) {
    await assertMayCreate(context, others);
    const direct = request.kind === ConversationKind.CONVERSATION_KIND_DIRECT;
    const members = [
      { userId, role: direct ? Role.ROLE_MEMBER : Role.ROLE_OWNER },
      ...others.map((id) => ({ userId: id, role: Role.ROLE_MEMBER })),
    ];
    await commitChange(context, conversationId, {
      $case: 'created',
      value: {
        kind: request.kind,
        title: direct ? '' : request.title,
        avatarUrl: direct ? '' : request.avatarUrl,
        metadata: request.metadata,
        members,
        historyForNewMembers: request.historyForNewMembers ?? true,
      },
    });
  }
  await node.directory.member(connection, conversationId);
  return conversationResult(context, conversationId);
};

/** Derived, so that a retry names the same conversation, and so do both sides of a direct one. */
const idOf = (tenantId: string, userId: string, request: CreateConversation, others: readonly string[]): string => {
  switch (request.kind) {
    case ConversationKind.CONVERSATION_KIND_DIRECT:
      if (others.length !== 1)
        fail('INVALID_ARGUMENT', 'a direct conversation has exactly one other member', {
          details: { field: 'member_ids' },
        });
      return derivedId('direct', tenantId, ...[userId, ...others].sort());
    case ConversationKind.CONVERSATION_KIND_GROUP:
    case ConversationKind.CONVERSATION_KIND_CHANNEL:
      assertClientId(request.clientRef, 'client_ref');
      return derivedId('conversation', tenantId, userId, request.clientRef);
    default:
      return fail('INVALID_ARGUMENT', 'kind is required', { details: { field: 'kind' } });
  }
};

const assertMayCreate = async (context: CommandContext, others: readonly string[]): Promise<void> => {
  const { node, connection } = context;
  const { tenantId, userId } = connection.claims;
  const { maxConversations, maxMembers } = connection.limits;
  if (others.length + 1 > maxMembers) {
    fail('LIMIT_EXCEEDED', 'too many members', {
      details: { limit: 'maxMembers', value: String(maxMembers), unit: 'members' },
    });
  }
  await assertUsersExist(context, others);
  if ((await node.store.participants.countActive(tenantId, userId)) >= maxConversations) {
    fail('LIMIT_EXCEEDED', 'the user is in too many conversations', {
      details: { limit: 'maxConversations', value: String(maxConversations), unit: 'conversations' },
    });
  }
};

const usersPerCall = 500;

/** USER_NOT_FOUND naming the first user that is not of the tenant. */
export const assertUsersExist = async (
  { node, connection }: CommandContext,
  userIds: readonly string[],
): Promise<void> => {
  for (let i = 0; i < userIds.length; i += usersPerCall) {
    const chunk = userIds.slice(i, i + usersPerCall);
    const found = await node.users.getMany(connection.claims.tenantId, chunk);
    const missing = chunk.find((_, at) => !found[at]);
    if (missing !== undefined) fail('USER_NOT_FOUND', 'no such user', { details: { user_id: missing } });
  }
};
