import type { Receipt } from '@caas/proto/caas/events/v1/message_events';
import type { Draft } from './draft.ts';

/** Moves a member's receipts on: never back, never past the last message; what is read is delivered too. */
export const applyReceipt = (draft: Draft, receipt: Receipt): void => {
  const { lastSeq } = draft.conversation;
  draft.changeMember(receipt.userId, (document) => {
    const readSeq = Math.max(document.readSeq, Math.min(receipt.readSeq, lastSeq));
    const deliveredSeq = Math.max(document.deliveredSeq, Math.min(receipt.deliveredSeq, lastSeq), readSeq);
    if (readSeq === document.readSeq && deliveredSeq === document.deliveredSeq) return undefined;
    return { ...document, readSeq, deliveredSeq };
  });
};
