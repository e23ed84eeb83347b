import type { ConversationCreated, ConversationUpdated } from '@caas/proto/caas/events/v1/conversation_events';
import type { Draft } from './draft.ts';
import { join, type Moment } from './membership.ts';

/** Creates the conversation with its first members; one that exists stays as it is. */
export const applyCreated = (
  draft: Draft,
  created: ConversationCreated,
  { actorId, acceptedAtMs }: ConversationUpdated,
  moment: Moment,
): void => {
  if (draft.exists) return;
  const { conversation } = draft;
  conversation.ownerCount = 0;
  conversation.pinCount = 0;
  conversation.kind = created.kind;
  conversation.title = created.title;
  conversation.avatarUrl = created.avatarUrl;
  conversation.metadata = created.metadata;
  conversation.historyForNewMembers = created.historyForNewMembers;
  conversation.createdBy = actorId;
  conversation.createdAtMs = acceptedAtMs;
  conversation.metaRev = draft.nextRev();
  // Says that it exists, even should it have no members.
  conversation.membersRev = conversation.metaRev;
  for (const { userId, role } of created.members) join(draft, userId, role, moment);
};
