import { fail } from '@caas/kit';
import { messageView } from '../model/views.ts';
import { actingMember, committedMessage } from './act.ts';
import type { Command, CommandContext, RequestOf } from './command.ts';
import { callOf } from './uploads.ts';

/** Asks for addresses of media: by a message that carries it and that the user may read, or as its uploader. */
export const getMedia: Command<'getMedia'> = async (context, request) => {
  const { claims } = context.connection;
  const { mediaId, messageId, conversationId } = request;
  if ((messageId === '') !== (conversationId === ''))
    fail('INVALID_ARGUMENT', 'conversation_id and message_id go together', { details: { field: 'message_id' } });
  const carried = messageId !== '';
  if (carried) await assertCarried(context, request);
  const { media, expiresAtMs } = await context.node.media.getMedia({ claims, mediaId, carried }, callOf(context));
  return { $case: 'media', value: { media, expiresAtMs } };
};

/** MESSAGE_NOT_FOUND unless the user sees the message as it stands now, with the media on it. */
const assertCarried = async (
  context: CommandContext,
  { conversationId, messageId, mediaId }: RequestOf<'getMedia'>,
): Promise<void> => {
  const { node, connection } = context;
  const { tenantId, userId } = connection.claims;
  const acting = await actingMember(context, conversationId);
  const committed = await committedMessage(context, acting, messageId);
  const [[hidden], [message = committed]] = await Promise.all([
    node.store.messages.areHidden([{ tenantId, conversationId, userId, seq: committed.seq }]),
    node.contents.read([committed]),
  ]);
  const carries = messageView(message, message.rev).content?.attachments.some((each) => each.mediaId === mediaId);
  if (hidden || !carries) fail('MESSAGE_NOT_FOUND', 'no such message with this media');
};
