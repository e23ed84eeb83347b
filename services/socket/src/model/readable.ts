import type { ReadContent } from '@caas/compliance-client/keys';
import type { MessageContent } from '@caas/proto/caas/events/v1/content';

/** Content in the form it has after it was read: in the clear, or left sealed where nobody can read it any more. */
export const asRead = (content: MessageContent | undefined, read: ReadContent): MessageContent | undefined =>
  read === undefined || read === 'unreadable' ? content : { body: { $case: 'plain', value: read } };

/** Whether what was read is left sealed. */
export const isUnreadable = (content: MessageContent | undefined): boolean => content?.body?.$case === 'sealed';
