import { headView, messageView } from '../model/views.ts';
import type { Command } from './command.ts';
import { headOf } from './get-history.ts';
import { maxPins } from './set-pin.ts';

/** Reads the pinned messages, latest pin first. */
export const listPins: Command<'listPins'> = async (context, request) => {
  const acting = await context.node.directory.member(context.connection, request.conversationId);
  const head = await headOf(context, acting);
  const pins = await context.node.store.messages.pinned(acting.conversation, head.lastSeq, maxPins);
  const messages = pins.filter((m) => m.seq >= acting.member.visibleFromSeq).map((m) => messageView(m, head.headRev));
  return { $case: 'history', value: { messages, head: headView(head), moreBefore: false, moreAfter: false } };
};
