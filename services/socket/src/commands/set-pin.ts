import { fail, maxPins } from '@caas/kit';
import { assertMayPin } from '../model/rules.ts';
import { actingMember, committedMessage, publishUserAction } from './act.ts';
import { accepted, type Command } from './command.ts';

/** Pins or unpins a message. */
export const setPin: Command<'setPin'> = async (context, request) => {
  const { node } = context;
  const { conversationId, messageId, pinned } = request;
  const acting = await actingMember(context, conversationId);
  assertMayPin(acting.rules, acting.member.role);
  const message = await committedMessage(context, acting, messageId);
  if (pinned && message.pinnedAtMs === 0) {
    const limit = { limit: maxPins };
    const { documents } = await node.store.messages.pinned(acting.conversation, Number.MAX_SAFE_INTEGER, limit);
    if (documents.length >= maxPins)
      fail('LIMIT_EXCEEDED', 'the conversation has too many pins', {
        details: { limit: 'maxPins', value: String(maxPins), unit: 'messages' },
      });
  }
  await publishUserAction(context, conversationId, { $case: 'pinSet', value: { messageId, pinned } });
  return accepted(context, messageId, 0, node.clock.now());
};
