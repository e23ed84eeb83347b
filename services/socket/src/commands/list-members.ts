import type { ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { participantView } from '../model/views.ts';
import type { Command } from './command.ts';

const defaultLimit = 50;

/** Lists members by user id. */
export const listMembers: Command<'listMembers'> = async ({ node, connection }, request) => {
  const { conversation } = await node.directory.member(connection, request.conversationId);
  const limit = request.limit || defaultLimit;
  const [head] = await node.store.conversations.getMany([conversation]);
  const members = await node.store.participants.ofConversation(conversation, {
    afterUserId: request.after,
    limit,
    activeOnly: true,
  });
  const headRev = head?.headRev ?? 0;
  return {
    $case: 'members',
    value: {
      members: members.map((m) => participantView(m, headRev, connection.claims.userId)),
      next: members.length === limit ? (members.at(-1) as ParticipantDocument).userId : '',
    },
  };
};
