import type { MessageDeleted } from '@caas/proto/caas/events/v1/message_events';
import type { Draft } from './draft.ts';

/** Leaves a tombstone: the place stays, and the hash that tells a retry of the send from a conflict. */
export const applyDeleted = (draft: Draft, deleted: MessageDeleted): void =>
  draft.changeMessage(deleted.messageId, (document) =>
    document.deletedAtMs > 0
      ? undefined
      : {
          ...document,
          content: undefined,
          edits: [],
          reactions: [],
          pinnedAtMs: 0,
          pinnedBy: '',
          deletedAtMs: Math.max(1, deleted.acceptedAtMs),
          deletedBy: deleted.deleterId,
        },
  );
