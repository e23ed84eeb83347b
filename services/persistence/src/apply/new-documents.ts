import { emptyDigest } from '@caas/message-store';
import { ParticipantState, Role } from '@caas/proto/caas/events/v1/content';
import { ConversationDocument, ParticipantDocument } from '@caas/proto/caas/events/v1/documents';

/** A conversation nothing has happened in. */
export const emptyConversation = (tenantId: string, conversationId: string): ConversationDocument =>
  ConversationDocument.fromPartial({ tenantId, conversationId, digest: emptyDigest });

/** A user who was never in the conversation. */
export const emptyParticipant = (tenantId: string, conversationId: string, userId: string): ParticipantDocument => ({
  ...ParticipantDocument.fromPartial({ tenantId, conversationId, userId }),
  role: Role.ROLE_MEMBER,
  wasRole: Role.ROLE_MEMBER,
  state: ParticipantState.PARTICIPANT_STATE_LEFT,
});
