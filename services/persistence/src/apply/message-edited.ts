import { positionOf } from '@caas/event-log';
import type { MessageEdited } from '@caas/proto/caas/events/v1/message_events';
import type { Draft } from './draft.ts';
import { maxEditsKept } from './limits.ts';
import type { EventRecord } from './model.ts';

/** The last edit in log order stands; a deleted message stays deleted. */
export const applyEdited = (draft: Draft, edited: MessageEdited, record: EventRecord): void => {
  const position = positionOf(record.offset);
  draft.changeMessage(edited.messageId, (document) => {
    if (document.deletedAtMs > 0 || position <= document.editedPosition) return undefined;
    const earlier = { content: document.content, replacedAtMs: edited.acceptedAtMs };
    return {
      ...document,
      content: edited.content,
      editedAtMs: edited.acceptedAtMs,
      editCount: document.editCount + 1,
      edits: [...document.edits, earlier].slice(-maxEditsKept),
      editedPosition: position,
    };
  });
};
