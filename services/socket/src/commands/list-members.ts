import type { ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { listedAfter } from '../model/cursor.ts';
import { participantView } from '../model/views.ts';
import type { Command } from './command.ts';

const defaultLimit = 50;

/** Lists members by user id. */
export const listMembers: Command<'listMembers'> = async ({ node, connection }, request) => {
  const { conversation } = await node.directory.member(connection, request.conversationId);
  const limit = request.limit || defaultLimit;
  const [head] = await node.store.conversations.getMany([conversation]);
  const found = await node.store.participants.ofConversation(conversation, {
    afterUserId: listedAfter(request.after),
    limit: limit + 1,
    activeOnly: true,
  });
  const members = found.slice(0, limit);
  const headRev = head?.headRev ?? 0;
  return {
    $case: 'members',
    value: {
      members: members.map((m) => participantView(m, headRev, connection.claims.userId)),
      next: found.length > limit ? (members.at(-1) as ParticipantDocument).userId : '',
    },
  };
};
