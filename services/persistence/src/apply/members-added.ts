import type { MembersAdded } from '@caas/proto/caas/events/v1/conversation_events';
import type { Draft } from './draft.ts';
import { join, type Moment } from './membership.ts';

/**
 * Makes users members. Past the limit they are left out: nodes refuse them, so only who was added in the same moment as others
 * gets here.
 */
export const applyMembersAdded = (draft: Draft, { members, maxMembers }: MembersAdded, moment: Moment): void => {
  for (const { userId, role } of members) {
    const isFull = maxMembers > 0 && draft.conversation.memberCount >= maxMembers;
    if (!isFull || draft.member(userId)?.counted) join(draft, userId, role, moment);
  }
};
