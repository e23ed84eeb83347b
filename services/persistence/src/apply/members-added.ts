import type { MembersAdded } from '@caas/proto/caas/events/v1/conversation_events';
import type { Draft } from './draft.ts';
import { join, type Moment } from './membership.ts';

export const applyMembersAdded = (draft: Draft, { members }: MembersAdded, moment: Moment): void => {
  for (const { userId, role } of members) join(draft, userId, role, moment);
};
