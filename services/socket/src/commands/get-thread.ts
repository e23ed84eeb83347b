import { actingMember } from './act.ts';
import type { Command } from './command.ts';
import { fittingMessages, headOf, pageOf } from './get-history.ts';

const defaultLimit = 50;

/** Reads the messages of a thread by seq. */
export const getThread: Command<'getThread'> = async (context, request) => {
  const acting = await actingMember(context, request.conversationId);
  const head = await headOf(context, acting);
  const { tenantId, conversationId } = acting.conversation;
  const limit = request.limit || defaultLimit;
  const after = Math.max(request.afterSeq, acting.member.visibleFromSeq - 1);
  const key = { tenantId, conversationId, messageId: request.rootMessageId };
  const { node } = context;
  const extent = { limit, maxBytes: node.bounds.maxReplyBytes };
  const found = await node.store.messages.thread(key, after, head.lastSeq, extent);
  const messages = await node.contents.read(found.documents);
  const fit = fittingMessages(context, head, messages, 0);
  const page = await pageOf(context, acting, head, fit);
  return {
    $case: 'history',
    value: { ...page, moreBefore: request.afterSeq > 0, moreAfter: found.more || messages.length > fit.length },
  };
};
