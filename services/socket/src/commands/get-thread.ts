import type { Command } from './command.ts';
import { headOf, pageOf } from './get-history.ts';

const defaultLimit = 50;

/** Reads the messages of a thread by seq. */
export const getThread: Command<'getThread'> = async (context, request) => {
  const acting = await context.node.directory.member(context.connection, request.conversationId);
  const head = await headOf(context, acting);
  const { tenantId, conversationId } = acting.conversation;
  const limit = request.limit || defaultLimit;
  const after = Math.max(request.afterSeq, acting.member.visibleFromSeq - 1);
  const key = { tenantId, conversationId, messageId: request.rootMessageId };
  const found = await context.node.store.messages.thread(key, after, head.lastSeq, limit + 1);
  const page = await pageOf(context, acting, head, found.slice(0, limit));
  return { $case: 'history', value: { ...page, moreBefore: request.afterSeq > 0, moreAfter: found.length > limit } };
};
