import { ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import type { MembersRemoved } from '@caas/proto/caas/events/v1/conversation_events';
import type { Draft, Member } from './draft.ts';
import type { Moment } from './membership.ts';

/** Members who go, by their own decision or another's. When the last owner goes, the next in line becomes owner. */
export const applyMembersRemoved = (
  draft: Draft,
  { userIds }: MembersRemoved,
  actorId: string,
  moment: Moment,
): void => {
  const ownersBefore = draft.ownerCount;
  for (const userId of userIds) {
    const member = draft.member(userId);
    if (!member) continue;
    if (!member.counted) {
      draft.touch(member);
      continue;
    }
    const own = userId === actorId;
    const state = own ? ParticipantState.PARTICIPANT_STATE_LEFT : ParticipantState.PARTICIPANT_STATE_REMOVED;
    draft.setMembership({ ...member.document, state, leftAtMs: Math.max(1, moment.acceptedAtMs) }, moment.position);
  }
  if (ownersBefore > 0 && draft.ownerCount === 0) appointOwner(draft, moment);
};

/** Admins before members, the longest-standing first; ids decide between equals, so that a replay appoints the same. */
const inLine = (a: Member, b: Member): number =>
  b.document.role - a.document.role ||
  a.document.joinedAtMs - b.document.joinedAtMs ||
  (a.document.userId < b.document.userId ? -1 : 1);

const appointOwner = (draft: Draft, { position }: Moment): void => {
  const [next] = draft
    .members()
    .filter((member) => member.counted)
    .sort(inLine);
  if (next) draft.setMembership({ ...next.document, role: Role.ROLE_OWNER }, position);
};
