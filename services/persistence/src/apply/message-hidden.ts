import type { MessageHidden } from '@caas/proto/caas/events/v1/user_action';
import type { Draft } from './draft.ts';

/** Hides a message for one user. */
export const applyMessageHidden = (draft: Draft, { messageId }: MessageHidden, userId: string): void => {
  const document = draft.message(messageId);
  if (!document) return;
  const { tenantId, conversationId, seq } = document;
  draft.hide({ tenantId, conversationId, userId, messageId, seq });
};
