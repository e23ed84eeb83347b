import { created } from '@caas/message-store';
import type { ConversationDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import { listedAfter } from '../model/cursor.ts';
import { fitting } from '../model/reply-bytes.ts';
import type { Command } from './command.ts';
import { entriesOf } from './entries.ts';

const defaultLimit = 50;

/** Lists the user's conversations by conversation id. */
export const listConversations: Command<'listConversations'> = async (context, request) => {
  const { node, connection } = context;
  const { tenantId, userId } = connection.claims;
  const limit = request.limit || defaultLimit;
  const found = await node.store.participants.ofUser(tenantId, userId, {
    afterConversationId: listedAfter(request.after),
    limit: limit + 1,
    activeOnly: !request.includeLeft,
  });
  const participations = found.slice(0, limit);
  const documents = await node.store.conversations.getMany(participations);
  const pairs = participations.flatMap((own: ParticipantDocument, i) => {
    const doc: ConversationDocument | undefined = documents[i];
    return created(doc) ? [{ own, doc }] : [];
  });
  const all = await entriesOf(context, pairs);
  const { kept: entries } = fitting(all, 0, node.bounds.maxReplyBytes, (entry) => entry);
  const whole = entries.length === all.length;
  const last = whole ? participations.at(-1) : pairs[entries.length - 1]?.own;
  const next = last && (!whole || found.length > limit) ? last.conversationId : '';
  return { $case: 'conversations', value: { entries, next } };
};
