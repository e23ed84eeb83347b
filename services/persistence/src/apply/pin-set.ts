import type { PinSet } from '@caas/proto/caas/events/v1/user_action';
import type { Draft } from './draft.ts';

/** Pins or unpins a message; a message pinned already keeps its first pin. */
export const applyPinSet = (draft: Draft, { messageId, pinned }: PinSet, userId: string, acceptedAtMs: number): void =>
  draft.changeMessage(messageId, (document) => {
    if (document.deletedAtMs > 0 || pinned === document.pinnedAtMs > 0) return undefined;
    return pinned
      ? { ...document, pinnedAtMs: Math.max(1, acceptedAtMs), pinnedBy: userId }
      : { ...document, pinnedAtMs: 0, pinnedBy: '' };
  });
