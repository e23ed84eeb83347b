import { Topic } from '@caas/event-log';
import { fail } from '@caas/kit';
import { encodeMessage } from '@caas/kit/encode';
import type { Attachment, PlainContent } from '@caas/proto/caas/events/v1/content';
import type { MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { MessageEdited } from '@caas/proto/caas/events/v1/message_events';
import { assertContent } from '../model/content.ts';
import { contentHash } from '../model/message-id.ts';
import { assertMaySend } from '../model/rules.ts';
import { messageView } from '../model/views.ts';
import { actingMember, committedMessage, publishEvent } from './act.ts';
import { withAttachments } from './attachments.ts';
import { accepted, type Command, type CommandContext } from './command.ts';
import { holdBack } from './held.ts';
import { applied, judgementOf } from './judged.ts';

/** Gives one's own message new content. */
export const editMessage: Command<'editMessage'> = async (context, request) => {
  const { node, connection } = context;
  const { tenantId, userId } = connection.claims;
  const { conversationId, messageId } = request;
  const wanted = assertContent(request.content, connection.limits);
  const acting = await actingMember(context, conversationId);
  // New words are said as a send says them: who may not send any more may not say them by an edit either.
  assertMaySend(acting.rules, acting.member.role);
  const message = await committedMessage(context, acting, messageId);
  if (message.senderId !== userId) fail('PERMISSION_DENIED', 'only its sender edits a message');
  const content =
    wanted.attachments.length === 0
      ? wanted
      : await withAttachments(context, wanted, await attachedTo(context, message));
  const judgement = await judgementOf(context, content);
  const key = await node.contents.key(tenantId, userId);
  const acceptedAtMs = node.clock.now();
  const place = { tenantId, conversationId, messageId };
  const edited = (said: PlainContent): MessageEdited => ({
    ...place,
    editorId: userId,
    content: node.contents.written(key, said, place),
    acceptedAtMs,
  });
  if (judgement.kind === 'hold') {
    const hash = contentHash(node.hashKey, messageId, {
      content,
      replyToMessageId: '',
      threadRootId: '',
      forwardedMessageId: '',
    });
    return holdBack(context, judgement, { $case: 'edited', value: edited({ ...content, text: judgement.text }) }, hash);
  }
  const judged = applied(context, judgement, content, { conversationId, messageId, clientMsgId: '' });
  await publishEvent(
    context,
    Topic.messageEdited,
    'MessageEdited',
    conversationId,
    encodeMessage(MessageEdited, edited(judged.content)),
  );
  judged.accepted();
  return accepted(context, messageId, 0, acceptedAtMs);
};

/** What the message carries now: an edit may keep it, whoever uploaded it. */
const attachedTo = async ({ node }: CommandContext, message: MessageDocument): Promise<readonly Attachment[]> => {
  const [read = message] = await node.contents.read([message]);
  return messageView(read, read.rev).content?.attachments ?? [];
};
