import type { MemberRoleChanged } from '@caas/proto/caas/events/v1/conversation_events';
import type { Draft } from './draft.ts';
import type { Moment } from './membership.ts';

export const applyRoleChanged = (draft: Draft, { userId, role }: MemberRoleChanged, { position }: Moment): void => {
  const member = draft.member(userId);
  if (!member?.counted) return;
  if (member.document.role === role) {
    draft.touch(member);
    return;
  }
  draft.setMembership({ ...member.document, role }, position);
};
