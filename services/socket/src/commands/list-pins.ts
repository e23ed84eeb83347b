import { maxPins } from '@caas/kit';
import { headView, messageView } from '../model/views.ts';
import { actingMember } from './act.ts';
import type { Command } from './command.ts';
import { fittingMessages, headOf } from './get-history.ts';

/** Reads the pinned messages, latest pin first. */
export const listPins: Command<'listPins'> = async (context, request) => {
  const acting = await actingMember(context, request.conversationId);
  const head = await headOf(context, acting);
  const extent = { limit: maxPins, maxBytes: context.node.bounds.maxReplyBytes };
  const { documents: pins, more } = await context.node.store.messages.pinned(acting.conversation, head.lastSeq, extent);
  const { tenantId, userId } = context.connection.claims;
  const { conversationId } = acting.conversation;
  const hidden = await context.node.store.messages.areHidden(
    pins.map(({ seq }) => ({ tenantId, conversationId, userId, seq })),
  );
  const visible = pins.filter((m, i) => m.seq >= acting.member.visibleFromSeq && !hidden[i]);
  const readable = await context.node.contents.read(visible);
  const fit = fittingMessages(context, head, readable, 0);
  const messages = fit.map((m) => messageView(m, head.headRev));
  const moreAfter = more || fit.length < readable.length;
  return { $case: 'history', value: { messages, head: headView(head), moreBefore: false, moreAfter } };
};
