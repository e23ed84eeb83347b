import type { ClientFrame } from '@caas/proto/caas/socket/v1/commands';

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.isWellFormed() && !value.includes('\0');

const hasOnly = (value: unknown, names: readonly string[]): value is Record<string, unknown> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  for (const key in value) if (!names.includes(key)) return false;
  return true;
};

const frameKeys = ['id', 'sendMessage'];
const sendKeys = ['conversationId', 'clientMsgId', 'content'];
const contentKeys = ['text'];

/**
 * The frame most traffic consists of, a message with nothing but a text, read by hand: a quarter of the cost of the
 * general way. Undefined for anything else, which then goes that way; a test holds that both read the same.
 */
export const plainSend = (value: object): ClientFrame | undefined => {
  if (!hasOnly(value, frameKeys)) return undefined;
  const { id, sendMessage: send } = value;
  if (!isText(id) || !hasOnly(send, sendKeys)) return undefined;
  const { conversationId, clientMsgId, content } = send;
  if (!isText(conversationId) || !isText(clientMsgId) || !hasOnly(content, contentKeys)) return undefined;
  const { text } = content;
  if (!isText(text)) return undefined;
  return {
    id,
    traceparent: '',
    command: {
      $case: 'sendMessage',
      value: {
        conversationId,
        clientMsgId,
        content: { text, attachments: [], mentions: [], metadata: {} },
        replyToMessageId: '',
        threadRootId: '',
        retry: false,
      },
    },
  };
};
