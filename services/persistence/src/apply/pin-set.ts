import type { PinSet } from '@caas/proto/caas/events/v1/user_action';
import type { Draft } from './draft.ts';
import { maxPins } from './limits.ts';

/**
 * Pins or unpins a message; a message pinned already keeps its first pin. Past the limit the act is dropped: nodes refuse it,
 * so only pins of the same moment get here.
 */
export const applyPinSet = (draft: Draft, { messageId, pinned }: PinSet, userId: string, acceptedAtMs: number): void =>
  draft.changeMessage(messageId, (document) => {
    if (document.deletedAtMs > 0 || pinned === document.pinnedAtMs > 0) return undefined;
    if (pinned && draft.pinCount >= maxPins) return undefined;
    return pinned
      ? { ...document, pinnedAtMs: Math.max(1, acceptedAtMs), pinnedBy: userId }
      : { ...document, pinnedAtMs: 0, pinnedBy: '' };
  });
