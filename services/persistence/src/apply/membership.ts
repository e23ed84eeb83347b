import { ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import type { Draft } from './draft.ts';
import { emptyParticipant } from './new-documents.ts';

/** When and where in the log a change of membership happened. */
export interface Moment {
  position: number;
  acceptedAtMs: number;
}

/** Makes a user a member; one who is a member already stays as is. */
export const join = (draft: Draft, userId: string, role: Role, { position, acceptedAtMs }: Moment): void => {
  const member = draft.member(userId);
  if (member?.counted) {
    draft.touch(member);
    return;
  }
  const { tenantId, conversationId, historyForNewMembers, lastSeq, lastPosition } = draft.conversation;
  const document = member?.document ?? emptyParticipant(tenantId, conversationId, userId);
  draft.setMembership(
    {
      ...document,
      role: role === Role.ROLE_UNSPECIFIED ? Role.ROLE_MEMBER : role,
      state: ParticipantState.PARTICIPANT_STATE_ACTIVE,
      joinedAtMs: acceptedAtMs,
      leftAtMs: 0,
      visibleFromSeq: historyForNewMembers ? 1 : lastSeq + 1,
      visibleFromPosition: historyForNewMembers ? 0 : lastPosition + 1,
      // What was said before one came is history, not unread. Not what the document says: an attempt that never committed may
      // have written it, when more had been said.
      deliveredSeq: lastSeq,
      readSeq: lastSeq,
    },
    position,
  );
};
