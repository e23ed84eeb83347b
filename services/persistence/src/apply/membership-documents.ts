import { isPartitionOf, positionOf, Topic } from '@caas/event-log';
import { isActive } from '@caas/message-store';
import { ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import type { ConversationDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';

/** What documents say of a membership, committed and not. */

export const isOwner = (document: ParticipantDocument): boolean => document.role === Role.ROLE_OWNER;

/** Position up to which changes of membership are committed; 0: none. */
export const membershipPositionOf = ({ offsets }: ConversationDocument): number => {
  let position = 0;
  for (const key in offsets)
    if (isPartitionOf(Topic.conversationUpdated, key))
      position = Math.max(position, positionOf(offsets[key] as number));
  return position;
};

/**
 * The document with the membership that was committed up to a position. The changes it loses here are in the log and come
 * again.
 */
export const rewound = (document: ParticipantDocument, membershipPosition: number): ParticipantDocument => {
  if (document.membershipPosition <= membershipPosition) return document;
  const { wasActive, wasRole: role } = document;
  // Who comes next after the last owner is decided by it. Absent in what an earlier version wrote.
  const joinedAtMs = document.wasJoinedAtMs || document.joinedAtMs;
  if (wasActive === isActive(document)) return { ...document, role, joinedAtMs, membershipPosition };
  const state = wasActive ? ParticipantState.PARTICIPANT_STATE_ACTIVE : ParticipantState.PARTICIPANT_STATE_LEFT;
  return { ...document, role, state, joinedAtMs, membershipPosition };
};
