import type { ConversationKey, MessageStore } from '@caas/message-store';
import type { ConversationDocument, MessageDocument } from '@caas/proto/caas/events/v1/documents';
import { scanBytes, scanPage } from '../limits.ts';

/** The committed messages of a conversation after a seq, oldest first, one read of them. */
export const messagesAfter = (
  { messages }: Pick<MessageStore, 'messages'>,
  conversation: ConversationDocument,
  afterSeq: number,
  limit = scanPage,
): Promise<MessageDocument[]> =>
  afterSeq >= conversation.lastSeq
    ? Promise.resolve([])
    : messages.page(conversation, {
        fromSeq: afterSeq + 1,
        toSeq: conversation.lastSeq,
        from: 'oldest',
        limit,
        maxBytes: scanBytes,
      });

/** A conversation as it is committed. */
export const conversationAt = async (
  { conversations }: Pick<MessageStore, 'conversations'>,
  key: ConversationKey,
): Promise<ConversationDocument | undefined> => (await conversations.getMany([key]))[0];
