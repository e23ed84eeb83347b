import { Topic } from '@caas/event-log';
import { publishUserAction } from './act.ts';
import { type Command, done } from './command.ts';

/** Mutes one's own notifications of a conversation. */
export const muteConversation: Command<'muteConversation'> = async (context, { conversationId, mutedUntilMs }) => {
  const { node, connection } = context;
  await node.directory.member(connection, conversationId);
  const position = await publishUserAction(context, conversationId, { $case: 'muteSet', value: { mutedUntilMs } });
  const key = { tenantId: connection.claims.tenantId, conversationId };
  await node.commits.committed(key, Topic.userAction, position, node.bounds.commitTimeoutMs);
  return done(context);
};
