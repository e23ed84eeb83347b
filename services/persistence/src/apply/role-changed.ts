import type { MemberRoleChanged } from '@caas/proto/caas/events/v1/conversation_events';
import type { Draft } from './draft.ts';
import type { Moment } from './membership.ts';
import { isOwner } from './membership-documents.ts';

/**
 * Promotes or demotes a member. The last owner stays one: nodes let owners change each other's roles only, so only owners
 * who demote each other in the same moment get here, and the first of them stands.
 */
export const applyRoleChanged = (draft: Draft, { userId, role }: MemberRoleChanged, { position }: Moment): void => {
  const member = draft.member(userId);
  if (!member?.counted) return;
  const lastOwner = isOwner(member.document) && draft.ownerCount === 1;
  if (member.document.role === role || lastOwner) {
    draft.touch(member);
    return;
  }
  draft.setMembership({ ...member.document, role }, position);
};
