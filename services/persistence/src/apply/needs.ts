import { usersNamedIn } from '@caas/event-log';
import { Role } from '@caas/proto/caas/events/v1/content';
import type { ParticipantDocument } from '@caas/proto/caas/events/v1/documents';
import type { EventRecord } from './model.ts';

/** Documents that a conversation's events are applied to. */
export interface Needs {
  messageIds: ReadonlySet<string>;
  userIds: ReadonlySet<string>;
}

export const needsOf = (records: readonly EventRecord[]): Needs => {
  const messageIds = new Set<string>();
  const userIds = new Set<string>();
  for (const { event } of records) {
    if (event.kind === 'sent' || event.kind === 'edited' || event.kind === 'deleted')
      messageIds.add(event.value.messageId);
    else if (event.kind === 'receipt') userIds.add(event.value.userId);
    else if (event.kind === 'action') {
      const { act, userId } = event.value;
      if (act?.$case === 'muteSet') userIds.add(userId);
      else if (act) messageIds.add(act.value.messageId);
    } else for (const userId of usersNamedIn(event.value)) userIds.add(userId);
  }
  return { messageIds, userIds };
};

/** Whether an event may change the number of owners, so that it has to be known. */
export const needsOwners = (records: readonly EventRecord[]): boolean =>
  records.some(({ event }) => event.kind === 'updated' && usersNamedIn(event.value).length > 0);

/** Who leaves or is removed. */
export const leaversIn = (records: readonly EventRecord[]): ReadonlySet<string> =>
  new Set(
    records.flatMap(({ event }) =>
      event.kind === 'updated' && event.value.change?.$case === 'membersRemoved'
        ? event.value.change.value.userIds
        : [],
    ),
  );

/** Whether an owner may be among those who go, so that the other members have to be known. */
export const needsSuccessors = (
  records: readonly EventRecord[],
  participants: ReadonlyMap<string, ParticipantDocument>,
): boolean => {
  const leavers = leaversIn(records);
  let appoints = false;
  for (const { event } of records) {
    if (event.kind !== 'updated') continue;
    const { change } = event.value;
    if (change?.$case === 'created' || change?.$case === 'membersAdded')
      appoints ||= change.value.members.some((m) => m.role === Role.ROLE_OWNER);
    else if (change?.$case === 'roleChanged') appoints ||= change.value.role === Role.ROLE_OWNER;
  }
  return leavers.size > 0 && (appoints || [...leavers].some((id) => mayBeOwner(participants.get(id))));
};

/** Whether the user is an owner in the document as it is, or as it was committed. */
const mayBeOwner = (document: ParticipantDocument | undefined): boolean =>
  document?.role === Role.ROLE_OWNER || document?.wasRole === Role.ROLE_OWNER;

/** Whether an event pins a message, so that the pinned ones have to be counted. */
export const needsPins = (records: readonly EventRecord[]): boolean =>
  records.some(({ event }) => {
    const act = event.kind === 'action' ? event.value.act : undefined;
    return act?.$case === 'pinSet' && act.value.pinned;
  });

/** How many documents a record may need: what the size of a slice of a batch is counted in. */
export const weightOf = ({ event }: EventRecord): number =>
  event.kind === 'updated' ? 1 + usersNamedIn(event.value).length : 1;
