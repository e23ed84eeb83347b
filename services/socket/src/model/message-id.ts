import { hash } from 'node:crypto';
import { derivedId } from '@caas/kit';
import type { PlainContent } from '@caas/proto/caas/events/v1/content';

/** A retry of a send has the same id: derived from who sends what they call what, where. */
export const messageIdOf = (tenantId: string, conversationId: string, senderId: string, clientMsgId: string): string =>
  derivedId('message', tenantId, conversationId, senderId, clientMsgId);

/** Everything of a send that a retry must repeat. */
export interface SendContent {
  content: PlainContent;
  replyToMessageId: string;
  threadRootId: string;
  /** Original of a forwarded message, empty otherwise. */
  forwardedMessageId: string;
}

/** What a forward says before its original has been looked up: its hash is that of the original's id. */
export const nothing: PlainContent = { text: '', attachments: [], mentions: [], metadata: {} };

/**
 * 128 bits that tell two contents of one message id apart. Keyed, so that who reads the log without the key can't try
 * texts against it; cut, so that it can't be extended.
 */
export const contentHash = (key: string, messageId: string, send: SendContent): Buffer => {
  // A forward is of its original whatever that says by the time of a retry.
  const { text, attachments, mentions, metadata } = send.forwardedMessageId === '' ? send.content : nothing;
  const rest = [
    attachments.map((a) => [a.mediaId, a.name, a.mediaType, a.sizeBytes]),
    mentions,
    Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)),
    send.replyToMessageId,
    send.threadRootId,
    send.forwardedMessageId,
  ];
  // Most messages are a text and nothing else; the prefix keeps the two forms apart.
  const parts = rest.every((part) => part.length === 0) ? `text:${text}` : `all:${JSON.stringify([text, ...rest])}`;
  return hash('sha256', `${key}${messageId}${parts}`, 'buffer').subarray(0, 16);
};
