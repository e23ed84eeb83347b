import { positionOf } from '@caas/event-log';
import { created } from '@caas/message-store';
import type { ConversationUpdated } from '@caas/proto/caas/events/v1/conversation_events';
import type { UserAction } from '@caas/proto/caas/events/v1/user_action';
import { applyArchived, applyMetaChanged } from './conversation-changed.ts';
import { applyCreated } from './conversation-created.ts';
import { Draft } from './draft.ts';
import { applyMembersAdded } from './members-added.ts';
import { applyMembersRemoved } from './members-removed.ts';
import { applyDeleted } from './message-deleted.ts';
import { applyEdited } from './message-edited.ts';
import { applyMessageHidden } from './message-hidden.ts';
import { applySent } from './message-sent.ts';
import { type Base, type EventRecord, isApplied, type Outcome } from './model.ts';
import { applyMuteSet } from './mute-set.ts';
import { applyPinSet } from './pin-set.ts';
import { applyReactionSet } from './reaction-set.ts';
import { applyReceipt } from './receipt.ts';
import { applyRoleChanged } from './role-changed.ts';

/**
 * Applies the events of one conversation, in order, to what the store holds of it. Pure: no input is changed, nothing is
 * read or written elsewhere. Records at or below the conversation's offsets are skipped.
 *
 * @throws TypeError when the events would break the count of messages or members: a defect, not an outcome.
 */
export const applyEvents = (base: Base, records: readonly EventRecord[], epoch: number, nowMs: number): Outcome => {
  const draft = new Draft(base, epoch);
  for (const record of inOrder(base, records)) {
    if (isApplied(draft.conversation, record)) continue;
    draft.begin(record);
    applyOne(draft, record);
    draft.advance(record);
  }
  return draft.outcome(nowMs);
};

/**
 * Partitions are interleaved by chance. Where a conversation is about to be created, that comes first, so that nothing
 * that follows from its creation is lost to the chance; the order within a partition stays, and so does that of the rest,
 * which is no chance where a store is rebuilt.
 */
const inOrder = (base: Base, records: readonly EventRecord[]): readonly EventRecord[] => {
  if (created(base.conversation)) return records;
  const creation = records.findIndex(
    ({ event }) => event.kind === 'updated' && event.value.change?.$case === 'created',
  );
  const isFirst = (record: EventRecord, i: number): boolean => i <= creation && record.event.kind === 'updated';
  return [...records.filter(isFirst), ...records.filter((record, i) => !isFirst(record, i))];
};

const applyOne = (draft: Draft, record: EventRecord): void => {
  const { event } = record;
  if (event.kind === 'sent') applySent(draft, event.value, record);
  else if (event.kind === 'updated') applyUpdated(draft, event.value, record);
  else if (!draft.exists) return;
  else if (event.kind === 'edited') applyEdited(draft, event.value, record);
  else if (event.kind === 'deleted') applyDeleted(draft, event.value);
  else if (event.kind === 'receipt') applyReceipt(draft, event.value);
  else applyAction(draft, event.value, record);
};

const applyUpdated = (draft: Draft, updated: ConversationUpdated, record: EventRecord): void => {
  const { change, actorId, acceptedAtMs } = updated;
  const moment = { position: positionOf(record.offset), acceptedAtMs };
  if (change?.$case === 'created') applyCreated(draft, change.value, updated, moment);
  else if (!draft.exists) return;
  else if (change?.$case === 'metaChanged') applyMetaChanged(draft, change.value);
  else if (change?.$case === 'archived') applyArchived(draft, change.value, acceptedAtMs);
  else if (change?.$case === 'membersAdded') applyMembersAdded(draft, change.value, moment);
  else if (change?.$case === 'membersRemoved') applyMembersRemoved(draft, change.value, actorId, moment);
  else if (change?.$case === 'roleChanged') applyRoleChanged(draft, change.value, moment);
};

const applyAction = (draft: Draft, { act, userId, acceptedAtMs }: UserAction, record: EventRecord): void => {
  if (act?.$case === 'reactionSet') applyReactionSet(draft, act.value, userId, record);
  else if (act?.$case === 'pinSet') applyPinSet(draft, act.value, userId, acceptedAtMs);
  else if (act?.$case === 'messageHidden') applyMessageHidden(draft, act.value, userId);
  else if (act?.$case === 'muteSet') applyMuteSet(draft, act.value, userId);
};
