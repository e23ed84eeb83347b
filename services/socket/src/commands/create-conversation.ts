import { derivedId, fail } from '@caas/kit';
import { created } from '@caas/message-store';
import { ConversationKind, conversationKindToJSON, Role } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument } from '@caas/proto/caas/events/v1/documents';
import type { CreateConversation } from '@caas/proto/caas/socket/v1/commands';
import { assertClientId, assertLine, assertPictureUrl } from '../model/content.ts';
import { commitChange } from './act.ts';
import { noteAct } from './audited.ts';
import type { Command, CommandContext } from './command.ts';
import { changedConversation } from './entries.ts';
import { assertUsersExist, joinWithinLimits } from './users.ts';

/** Creates a conversation, or answers the one the same request created before. */
export const createConversation: Command<'createConversation'> = async (context, request) => {
  const { node, connection } = context;
  const { tenantId, userId } = connection.claims;
  const others = [...new Set(request.memberIds)].filter((id) => id !== userId);
  assertLine(request.title, 'title');
  assertPictureUrl(request.avatarUrl);
  const conversationId = idOf(tenantId, userId, request, others);
  const [existing] = await node.store.conversations.getMany([{ tenantId, conversationId }]);
  if (created(existing)) {
    assertSameConversation(existing, request);
  } else {
    await assertMayCreate(context, others);
    const direct = request.kind === ConversationKind.CONVERSATION_KIND_DIRECT;
    const members = [
      { userId, role: direct ? Role.ROLE_MEMBER : Role.ROLE_OWNER },
      ...others.map((id) => ({ userId: id, role: Role.ROLE_MEMBER })),
    ];
    const value = {
      kind: request.kind,
      title: direct ? '' : request.title,
      avatarUrl: direct ? '' : request.avatarUrl,
      metadata: request.metadata,
      members,
      historyForNewMembers: request.historyForNewMembers ?? true,
    };
    await joinWithinLimits(context, [userId, ...others], () =>
      commitChange(context, conversationId, { $case: 'created', value }),
    );
    noteAct(context, 'conversation.created', {
      subjectId: conversationId,
      conversationId,
      details: { kind: conversationKindToJSON(request.kind), members: String(members.length) },
    });
  }
  await node.directory.member(connection, conversationId);
  return changedConversation(context, conversationId);
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
  const { connection } = context;
  const { maxMembers } = connection.limits;
  if (others.length + 1 > maxMembers) {
    fail('LIMIT_EXCEEDED', 'too many members', {
      details: { limit: 'maxMembers', value: String(maxMembers), unit: 'members' },
    });
  }
  await assertUsersExist(context, others);
};

/**
 * A used client_ref answers the conversation as it stands: title, picture, metadata and members may have changed since.
 * What never changes tells another request from a retry.
 */
const assertSameConversation = (existing: ConversationDocument, request: CreateConversation): void => {
  if (request.kind === ConversationKind.CONVERSATION_KIND_DIRECT) return;
  if (existing.kind !== request.kind || existing.historyForNewMembers !== (request.historyForNewMembers ?? true)) {
    fail('IDEMPOTENCY_CONFLICT', 'this client_ref was used for another conversation', {
      details: { field: 'client_ref' },
    });
  }
};
